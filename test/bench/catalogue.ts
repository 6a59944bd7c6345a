/**
 * A catalogue of a million recordings: how long a page of a list and a search take, and how large
 * each recording is. `ROOMTAPE_BENCH_RECORDINGS` makes it smaller.
 */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type Catalogue, openCatalogue } from '../../src/catalogue/catalogue.ts';
import type { RecordingFilter, RecordingRecord } from '../../src/catalogue/recording-table.ts';
import { instant, newId } from '../../src/session/ids.ts';
import { absolute, type Benchmark, percentile } from './figures.ts';

const count = Number(process.env['ROOMTAPE_BENCH_RECORDINGS'] ?? 1_000_000);
const pageSize = 50;
const perSession = 500;
const firstEvening = Date.UTC(2016, 0, 1, 18);
const minute = 60_000;

const subjects =
  'lecture seminar workshop biology chemistry retro planning standup review history poetry music algebra geometry physics design brainstorm onboarding training geology'.split(
    ' ',
  );
const names =
  'ada ben cleo dan eva finn gina hugo ida jon kim leo mia nils ola pia quin rosa sam tia uwe vera will xena yara zoe'.split(
    ' ',
  );

/** The same "random" numbers in every run (mulberry32). */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * sides);
  };
}

const roll = dice(2026);
const one = (words: readonly string[]) => words[roll(words.length)] ?? '';
const random16 = () => Uint8Array.from({ length: 16 }, () => roll(256));

interface Evening {
  readonly session: { readonly id: string; readonly topic: string };
  readonly rooms: readonly NonNullable<RecordingRecord['room']>[];
  readonly people: readonly NonNullable<RecordingRecord['participant']>[];
}

function evening(at: number): Evening {
  const now = instant(at);
  const rooms = Array.from({ length: 12 }, (_, number) => ({
    id: `${number}.1`,
    number,
    name: number === 0 ? 'Main room' : `${one(subjects)} ${number}`,
  }));
  const people = Array.from({ length: 60 }, () => ({
    id: newId('par', now, random16()),
    name: `${one(names)} ${one(names)}`,
  }));
  const topic = `${one(subjects)} ${one(subjects)}`;
  return { session: { id: newId('ses', now, random16()), topic }, rooms, people };
}

function fill(catalogue: Catalogue): Evening[] {
  const evenings: Evening[] = [];
  let now: Evening | undefined;
  for (let done = 0; done < count; ) {
    catalogue.transaction(() => {
      for (let n = 0; n < 5_000 && done < count; n++, done++) {
        const at = firstEvening + Math.floor(done / perSession) * 1_440 * minute + (done % 500);
        if (done % perSession === 0 || !now) {
          now = evening(at);
          evenings.push(now);
        }
        put(catalogue, now, at, done);
      }
    });
  }
  return evenings;
}

function put(
  catalogue: Catalogue,
  { session, rooms, people }: Evening,
  at: number,
  n: number,
): void {
  const id = newId('rec', instant(at), random16());
  const broken = roll(100) < 3;
  const endedAt = at + 40 * minute;
  catalogue.recordings.putDeclared({
    id,
    session,
    room: rooms[roll(rooms.length)] ?? null,
    participant: people[roll(people.length)] ?? null,
    state: broken ? 'interrupted' : 'stopped',
    permission: 'permitted',
    startedAt: at,
    endedAt,
    intervals: [[at, endedAt]],
  });
  const day = new Date(at).toISOString().replace('T', ' ').replace(/[:.]/g, '-').slice(0, 19);
  catalogue.takes.restore({
    id: newId('take', instant(at), random16()),
    recording: id,
    path: `/home/someone/Videos/${day} ${n}.mkv`,
    identity: `2049:${1_000_000 + n}`,
    container: 'matroska',
    recorder: 'obs',
    stage: 'indexed',
    verdict: broken ? 'interrupted' : 'whole',
    recoveredPath: null,
    durationMs: 40 * minute,
    bytes: 1_234_567_890,
    sha256: createHash('sha256').update(String(n)).digest('hex'),
    sightedAt: at,
    startedAt: at,
    endedAt,
    attribution: 'declared',
    detail: {},
  });
}

/** 99th percentile of the time of one page, over questions that are all different. */
function slowest(times: number, ask: () => unknown): number {
  const took: number[] = [];
  for (let n = 0; n < times + 5; n++) {
    const began = performance.now();
    ask();
    if (n >= 5) took.push(performance.now() - began);
  }
  return percentile(took, 0.99);
}

export const catalogue: Benchmark = {
  name: 'catalogue',
  async run(scratch) {
    const path = join(scratch, 'catalogue.db');
    const options = { path, backups: join(scratch, 'backups'), newMachineId: 'bench' };
    const filled = openCatalogue({ ...options, now: Date.now() });
    const began = performance.now();
    const evenings = fill(filled);
    const perInsert = ((performance.now() - began) * 1000) / count;
    // Whoever asks is a daemon that was started some day, not the one that stored all of this.
    filled.close();
    globalThis.gc?.();
    const open = openCatalogue({ ...options, now: Date.now() });
    const page = { limit: pageSize };
    const some = () => evenings[roll(evenings.length)] ?? evening(0);
    const when = () => firstEvening + roll(evenings.length) * 1_440 * minute;
    const questions: Record<string, () => RecordingFilter> = {
      everything: () => ({}),
      'one session': () => ({ session: some().session.id }),
      'one person, by name': () => ({ participant: one(some().people.map(({ name }) => name)) }),
      'one room number': () => ({ room: String(roll(12)) }),
      'interrupted ones': () => ({ verdict: 'interrupted' }),
      'interrupted ones of one room number': () => ({ state: 'interrupted', room: '3' }),
      'a month, some years ago': () => ({ since: when(), until: when() }),
    };
    const thousands = `of ${count.toLocaleString('en')}`;
    const lists = Object.entries(questions).map(([name, filter]) =>
      absolute(
        `a page ${thousands}: ${name} (99th percentile)`,
        slowest(200, () => open.recordings.list(filter(), page)),
        'ms',
        { most: 5 },
      ),
    );
    const searches = Object.entries({
      'one word': () => one(subjects),
      'a word and a name': () => `${one(subjects)} ${one(names)}`,
      'a word that is nowhere': () => `nowhere${roll(1e6)}`,
      'the beginning of a word': () => one(subjects).slice(0, 5),
    }).map(([name, text]) =>
      absolute(
        `full text ${thousands}: ${name} (99th percentile)`,
        slowest(200, () => open.recordings.search(text(), {}, page)),
        'ms',
        { most: 25 },
      ),
    );
    open.close();
    return [
      absolute('storing a recording with its take', perInsert, 'µs', { most: 300 }),
      absolute('bytes of a recording with its take', statSync(path).size / count, 'B', {
        most: 450,
      }),
      ...lists,
      ...searches,
    ];
  },
};
