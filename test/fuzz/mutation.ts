/**
 * How a whole file is turned into a hostile one: small, repeatable damage where parsers believe most.
 */

/** A repeatable source of numbers (mulberry32): the same seed gives the same damage. */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (((mixed ^ (mixed >>> 14)) >>> 0) % below) >>> 0;
  };
}

/** Values at which sizes and counts overflow, go negative or ask for everything. */
const extremes = [
  0, 1, 2, 3, 7, 8, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff,
  0x80000000, 0xfffffffe, 0xffffffff, 0x0fffffff,
];

type Random = (below: number) => number;
type Damage = (bytes: Uint8Array, random: Random, other: Uint8Array) => Uint8Array;

function spliced(bytes: Uint8Array, at: number, removed: number, added: Uint8Array): Uint8Array {
  const after = bytes.subarray(Math.min(bytes.length, at + removed));
  const result = new Uint8Array(at + added.length + after.length);
  result.set(bytes.subarray(0, at));
  result.set(added, at);
  result.set(after, at + added.length);
  return result;
}

/** Headers are where structure is: half of all damage goes to the first or last kilobyte. */
function place(bytes: Uint8Array, random: Random): number {
  const near = Math.min(1024, bytes.length);
  const choice = random(4);
  if (choice === 0) return random(near);
  if (choice === 1) return bytes.length - 1 - random(near);
  return random(bytes.length);
}

function overwrite(bytes: Uint8Array, at: number, width: number, value: number, little: boolean) {
  for (let i = 0; i < width && at + i < bytes.length; i += 1) {
    const shift = 8 * (little ? i : width - 1 - i);
    bytes[at + i] = shift >= 32 ? 0 : (value >>> shift) & 0xff;
  }
}

const damages: readonly Damage[] = [
  (bytes, random) => {
    const at = place(bytes, random);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
    return bytes;
  },
  (bytes, random) => {
    bytes[place(bytes, random)] = random(256);
    return bytes;
  },
  (bytes, random) => {
    const width = [1, 2, 3, 4, 8][random(5)] ?? 4;
    const value = extremes[random(extremes.length)] ?? 0;
    overwrite(bytes, place(bytes, random), width, value, random(2) === 0);
    return bytes;
  },
  (bytes, random) => bytes.slice(0, random(bytes.length)),
  (bytes, random) => {
    const at = random(bytes.length);
    bytes.fill(random(2) * 0xff, at, at + 1 + random(512));
    return bytes;
  },
  (bytes, random) => {
    const from = random(bytes.length);
    const piece = bytes.slice(from, from + 1 + random(256));
    return spliced(bytes, random(bytes.length), 0, piece);
  },
  (bytes, random) => spliced(bytes, random(bytes.length), 1 + random(64), new Uint8Array(0)),
  (bytes, random, other) => {
    const from = random(other.length);
    return spliced(bytes, random(bytes.length), 0, other.slice(from, from + 1 + random(512)));
  },
  // The same structure many times over: nesting and repetition.
  (bytes, random) => {
    const from = random(bytes.length);
    const piece = bytes.slice(from, from + 8 + random(64));
    let result = bytes;
    for (let times = random(64); times > 0; times -= 1) result = spliced(result, from, 0, piece);
    return result;
  },
];

/** One hostile file: `whole` with one to five damages, the same for the same seed. */
export function mutated(whole: Uint8Array, other: Uint8Array, seed: number): Uint8Array {
  const random = randomFrom(seed);
  let bytes: Uint8Array = whole.slice();
  for (let left = 1 + random(5); left > 0 && bytes.length > 0; left -= 1) {
    const damage = damages[random(damages.length)];
    if (damage) bytes = damage(bytes, random, other);
  }
  return bytes;
}
