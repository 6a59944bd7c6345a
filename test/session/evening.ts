/**
 * A session to decide about in tests: commands go in, the state moves on, ids and time are exact.
 */
import type { Context, SessionCommand } from '../../src/session/command.ts';
import { decide } from '../../src/session/decide.ts';
import type { SessionEvent } from '../../src/session/events.ts';
import { evolveAll } from '../../src/session/evolve.ts';
import { findParticipant } from '../../src/session/find.ts';
import { type Instant, instant, later, newId } from '../../src/session/ids.ts';
import { recordingsInOrder } from '../../src/session/recording-events.ts';
import { isRefusal, type Refusal } from '../../src/session/refusal.ts';
import type { Recording, SessionState } from '../../src/session/state.ts';
import { rowsOf } from '../../src/session/table.ts';

export const evening = instant(Date.UTC(2026, 2, 1, 18, 0, 0));

export class Evening {
  now: Instant = evening;
  state: SessionState | undefined;
  readonly journal: SessionEvent[] = [];
  private made = 0;

  constructor(rooms: readonly string[] = ['Blue', 'Green', 'Red'], people = ['Ada', 'Ben', 'Cem']) {
    this.do({ type: 'create-session', topic: 'Seminar', hostName: 'Hana', rooms });
    if (people.length > 0) {
      const participants = people.map((name) => ({ name }));
      this.do({ type: 'add-participants', participants });
    }
  }

  get session(): SessionState {
    if (!this.state) throw new Error('no session yet');
    return this.state;
  }

  context(actor?: string): Context {
    const newest = () => {
      const random = new Uint8Array(16);
      new DataView(random.buffer).setUint32(12, ++this.made * 2654435761);
      new DataView(random.buffer).setUint32(8, this.made);
      return random;
    };
    return {
      now: this.now,
      newId: (kind) => newId(kind, this.now, newest()),
      ...(actor === undefined ? {} : { actor }),
    };
  }

  try(command: SessionCommand, actor?: string): readonly SessionEvent[] | Refusal {
    const decision = decide(this.state, command, this.context(actor));
    if (isRefusal(decision)) return decision;
    this.state = evolveAll(this.state, decision);
    this.journal.push(...decision);
    return decision;
  }

  do(command: SessionCommand, actor?: string): readonly SessionEvent[] {
    const decision = this.try(command, actor);
    if (isRefusal(decision)) throw new Error(`${decision.problem} (${decision.next})`);
    return decision;
  }

  refused(command: SessionCommand, actor?: string): Refusal {
    const decision = this.try(command, actor);
    if (!isRefusal(decision)) throw new Error(`${command.type} was not refused`);
    return decision;
  }

  pass(ms: number): void {
    this.now = later(this.now, ms);
  }

  recordings(name: string): Recording[] {
    const person = findParticipant(this.session, name);
    if (isRefusal(person)) return [];
    return recordingsInOrder(rowsOf(this.session.recordings), person.id);
  }
}
