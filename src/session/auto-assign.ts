/**
 * Spreading people over rooms: always to the emptiest, in the order given or shuffled by a seed.
 */

/**
 * @param sizes  how many each room has already; the first of equally empty rooms is taken
 * @returns each person with a room; sizes differ by at most one where they could
 */
export function assignEvenly<Person, RoomName>(
  people: readonly Person[],
  sizes: ReadonlyMap<RoomName, number>,
): (readonly [Person, RoomName])[] {
  // Rooms by how many they have: people only ever fill the lowest level, so each is placed at once.
  const levels = new Map<number, RoomName[]>();
  for (const [room, size] of sizes) levels.set(size, [...(levels.get(size) ?? []), room]);
  const placed: (readonly [Person, RoomName])[] = [];
  if (levels.size === 0) return placed;
  let level = Math.min(...levels.keys());
  let open = levels.get(level) ?? [];
  let at = 0;
  for (const person of people) {
    while (at >= open.length) {
      level++;
      const joined = new Set([...open, ...(levels.get(level) ?? [])]);
      open = [...sizes.keys()].filter((room) => joined.has(room));
      at = 0;
    }
    const room = open[at++];
    if (room !== undefined) placed.push([person, room]);
  }
  return placed;
}

/** A random order from a small generator (mulberry32): the same seed always gives the same. */
export function shuffled<Item>(items: readonly Item[], seed: number): Item[] {
  const order = items.map((item) => ({ item, draw: 0 }));
  let state = seed >>> 0;
  const random = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  for (const entry of order) entry.draw = random();
  return order.sort((a, b) => a.draw - b.draw).map(({ item }) => item);
}
