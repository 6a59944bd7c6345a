/**
 * What permission costs: reading a signed grant, and asking whether somebody may record.
 */
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import type { SessionCommand } from '../../src/session/command.ts';
import { decide } from '../../src/session/decide.ts';
import { evolveAll } from '../../src/session/evolve.ts';
import { type Instant, instant, newId, type ParticipantId } from '../../src/session/ids.ts';
import { commandsFor } from '../../src/session/line-acceptance.ts';
import { grantLine } from '../../src/session/line-making.ts';
import { readLine, signLine } from '../../src/session/line-signature.ts';
import { permits } from '../../src/session/permits.ts';
import { isRefusal } from '../../src/session/refusal.ts';
import type { SessionState } from '../../src/session/state.ts';
import { keysOf, rowsOf } from '../../src/session/table.ts';
import { absolute, type Benchmark, compared, interleaved } from './figures.ts';

const now = instant(Date.UTC(2026, 2, 1, 18));
const host = generateKeyPairSync('ed25519');
const hostKey = host.publicKey.export({ format: 'jwk' }).x ?? '';

let made = 0;
function after(
  state: SessionState | undefined,
  commands: readonly SessionCommand[],
  at: Instant = now,
): SessionState {
  let latest = state;
  for (const command of commands) {
    const decision = decide(latest, command, {
      now: at,
      newId: (kind) => {
        const random = new Uint8Array(16);
        new DataView(random.buffer).setUint32(12, Math.imul(++made, 2654435761));
        new DataView(random.buffer).setUint32(8, made);
        return newId(kind, at, random);
      },
    });
    if (isRefusal(decision)) throw new Error(decision.problem);
    latest = evolveAll(latest, decision);
  }
  if (!latest) throw new Error('no session');
  return latest;
}

/** A session of 1,000 people in 100 rooms, each with so many grants of one room. */
function session(grantsEach: number): SessionState {
  const people = Array.from({ length: 1000 }, (_, at) => ({ name: `P${at}` }));
  const rooms = Array.from({ length: 100 }, () => '');
  const grants = people.flatMap(({ name }, at) =>
    Array.from({ length: grantsEach }, (_, nth) => ({
      type: 'grant' as const,
      to: name,
      rooms: [String(((at + nth) % 100) + 1)],
    })),
  );
  return after(undefined, [
    { type: 'create-session', topic: 'S', hostName: 'H', hostKey, rooms },
    { type: 'add-participants', participants: people },
    ...grants,
  ]);
}

function askAll(state: SessionState): void {
  for (const participant of keysOf<ParticipantId>(state.participants)) {
    permits(state, { participant, room: '7.1' }, now);
  }
}

export const permission: Benchmark = {
  name: 'permission',
  async run() {
    const many = session(10);
    const few = session(1);
    const asked = await interleaved(
      31,
      () => askAll(many),
      () => askAll(few),
    );
    const texts: string[] = [];
    for (const grant of rowsOf(many.grants)) {
      if (texts.length >= 200) break;
      const line = grantLine(many, { ...grant, to: many.host }, { key: hostKey, now });
      if (!line) throw new Error('a grant does not fit');
      const { toKey: _, toName: __, ...forAll } = line;
      texts.push(await signLine(forAll, host.privateKey));
    }
    const joined = after(undefined, [
      {
        type: 'join-session',
        session: many.id,
        topic: 'S',
        hostName: 'H',
        hostKey,
        selfName: 'A',
        selfKey: hostKey,
      },
    ]);
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: hostKey }, format: 'jwk' });
    const accepted = await interleaved(
      11,
      async () => {
        let state = joined;
        for (const text of texts) {
          const line = await readLine(text);
          if (isRefusal(line)) throw new Error(line.problem);
          const own = { key: hostKey, name: 'A', trustNewKey: false };
          const commands = commandsFor(line, state, own);
          if (isRefusal(commands)) throw new Error(commands.problem);
          state = after(state, commands);
        }
      },
      () => {
        for (const text of texts) {
          const signed = text.slice(4, text.lastIndexOf('.'));
          const signature = Buffer.from(text.slice(text.lastIndexOf('.') + 1), 'base64url');
          if (!verify(null, Buffer.from(signed), key, signature)) throw new Error('not signed');
        }
      },
    );
    return [
      compared('permits, 1,000 people with 10,000 grants', '1,000 grants', asked, { most: 5 }),
      absolute('permits, one question', asked.ours.median, 'µs', { most: 50 }),
      compared('accept, 200 grants as lines', 'their signatures alone', accepted, { most: 5 }),
    ];
  },
};
