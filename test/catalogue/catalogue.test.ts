/**
 * The catalogue on a real SQLite file: what is stored, listed, searched, and brought back.
 */
import { closeSync, existsSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import type { Catalogue } from '../../src/catalogue/catalogue.ts';
import { obstacleOf } from '../../src/catalogue/damage.ts';
import { openDatabase } from '../../src/catalogue/driver.ts';
import { rebuildTables, restoreCatalogue } from '../../src/catalogue/mending.ts';
import type { RecordingFilter } from '../../src/catalogue/recording-table.ts';
import { checkCatalogueFile } from '../../src/catalogue/soundness.ts';
import { exampleOptions, minute, noon, openExample, recording, take } from './example-catalogue.ts';

const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0).reverse()) cleanUp();
});

function freshOptions() {
  const options = exampleOptions();
  cleanUps.push(options.remove);
  return options;
}

function fresh(): Catalogue {
  const catalogue = openExample(freshOptions());
  cleanUps.push(() => catalogue.close());
  return catalogue;
}

const idsOf = (catalogue: Catalogue, filter: RecordingFilter = {}, limit = 100) =>
  catalogue.recordings.list(filter, { limit }).recordings.map(({ id }) => id);

function fill(catalogue: Catalogue, count: number): void {
  catalogue.transaction(() => {
    for (let n = 0; n < count; n++) {
      catalogue.recordings.putDeclared(recording(n));
      catalogue.takes.put(take(n), noon);
    }
  });
}

describe('given a catalogue', () => {
  test('it keeps every commit through a power cut: synchronous is FULL', () => {
    const options = freshOptions();
    const catalogue = openExample(options);
    fill(catalogue, 1);
    catalogue.close();
    const again = openExample(options);
    expect(again.recordings.byId('rec_0000')?.takes).toEqual([take(0)]);
    expect(again.machine).toBe('machine-1');
    again.close();
  });

  test('when a decision fails half way, then nothing of it is kept and the chain goes on', () => {
    const catalogue = fresh();
    const failing = () =>
      catalogue.transaction(() => {
        catalogue.recordings.putObserved(recording(1), noon);
        throw new Error('half way');
      });
    expect(failing).toThrow('half way');
    expect(catalogue.journal.head.seq).toBe(0);
    catalogue.transaction(() => catalogue.recordings.putObserved(recording(2), noon));
    expect(idsOf(catalogue)).toEqual(['rec_0002']);
    expect(catalogue.journal.head.seq).toBe(1);
  });

  test('when a take changes, then only what changed is journaled', () => {
    const catalogue = fresh();
    fill(catalogue, 1);
    catalogue.transaction(() => {
      catalogue.takes.put(take(0, { verdict: 'interrupted' }), noon + 1);
      catalogue.takes.put(take(0, { verdict: 'interrupted' }), noon + 2);
    });
    const bodies = [...catalogue.journal.entries()].map(({ body }) => body);
    expect(bodies).toEqual([take(0), { id: 'take_0000', verdict: 'interrupted' }]);
    expect(catalogue.recordings.byId('rec_0000')?.verdict).toBe('interrupted');
  });

  test('takes are found by file, by path and by how far they have come', () => {
    const catalogue = fresh();
    fill(catalogue, 3);
    catalogue.transaction(() => catalogue.takes.put(take(1, { stage: 'followed' }), noon));
    expect(catalogue.takes.byIdentity('2049:1001').map(({ id }) => id)).toEqual(['take_0001']);
    expect(catalogue.takes.byPath(take(2).path).map(({ id }) => id)).toEqual(['take_0002']);
    expect(catalogue.takes.byIdentity('')).toEqual([]);
    expect(catalogue.takes.unfinished().map(({ id }) => id)).toEqual(['take_0001']);
    expect(catalogue.takes.idsStartingWith('take_000')).toHaveLength(3);
  });

  test('the state of a scanner is kept and dropped', () => {
    const catalogue = fresh();
    fill(catalogue, 1);
    catalogue.takes.putScan('take_0000', new Uint8Array([1, 2, 3]));
    expect(catalogue.takes.scan('take_0000')).toEqual(Buffer.from([1, 2, 3]));
    catalogue.takes.dropScan('take_0000');
    expect(catalogue.takes.scan('take_0000')).toBeUndefined();
  });
});

describe('given recordings of several people and rooms', () => {
  function evening(): Catalogue {
    const catalogue = fresh();
    const ben = { id: 'par_ben', name: 'Ben' };
    const red = { id: '3.1', number: 3, name: 'Red algae' };
    catalogue.transaction(() => {
      catalogue.recordings.putDeclared(recording(0));
      catalogue.recordings.putDeclared(recording(1, { participant: ben }));
      catalogue.recordings.putDeclared(recording(2, { room: red, state: 'interrupted' }));
      catalogue.recordings.putDeclared(recording(3, { room: red, participant: ben }));
      catalogue.recordings.putObserved(
        recording(4, { session: null, room: null, participant: null }),
        noon,
      );
      for (let n = 0; n < 5; n++) catalogue.takes.put(take(n), noon);
      catalogue.takes.put(take(2, { verdict: 'interrupted' }), noon);
    });
    return catalogue;
  }

  test('they are listed newest first, and filtered by what a person would type', () => {
    const catalogue = evening();
    const ids = (filter: RecordingFilter) => idsOf(catalogue, filter).map((id) => id.at(-1));
    expect(ids({})).toEqual(['4', '3', '2', '1', '0']);
    expect(ids({ session: 'ses_a' })).toEqual(['3', '2', '1', '0']);
    expect(ids({ session: 'marine biology' })).toEqual(['3', '2', '1', '0']);
    expect(ids({ room: '3' })).toEqual(['3', '2']);
    expect(ids({ room: 'blue whales' })).toEqual(['1', '0']);
    expect(ids({ participant: 'ben' })).toEqual(['3', '1']);
    expect(ids({ participant: 'par_ada', room: '3' })).toEqual(['2']);
    expect(ids({ state: 'interrupted' })).toEqual(['2']);
    expect(ids({ verdict: 'interrupted' })).toEqual(['2']);
    expect(ids({ verdict: 'whole' })).toEqual(['4', '3', '1', '0']);
    expect(ids({ since: noon + minute, until: noon + 3 * minute })).toEqual(['2', '1']);
    expect(ids({ participant: 'nobody' })).toEqual([]);
    expect(ids({ state: "x' OR 1=1 --" })).toEqual([]);
  });

  test('they are found by topic, room, people and file names, whatever the letter case', () => {
    const catalogue = evening();
    const ids = (text: string, filter: RecordingFilter = {}) =>
      catalogue.recordings.search(text, filter, { limit: 9 }).recordings.map(({ id }) => id.at(-1));
    expect(ids('biology')).toEqual(['3', '2', '1', '0']);
    expect(ids('BLUE whales ada')).toEqual(['0']);
    expect(ids('algae', { participant: 'ben' })).toEqual(['3']);
    expect(ids('blue-4.mkv')).toEqual(['4']);
    expect(ids('biol')).toEqual(['3', '2', '1', '0']);
    expect(ids('')).toEqual([]);
    expect(ids('"')).toEqual([]);
  });

  test('the beginning of a word finds what SQLite itself finds by it, page by page', () => {
    const catalogue = evening();
    const all = (text: string, limit = 2) => {
      const found: string[] = [];
      for (let from: string | undefined; ; ) {
        const page = catalogue.recordings.search(text, {}, { limit, from });
        found.push(...page.recordings.map(({ id }) => id));
        if (page.next === null) return found;
        from = page.next;
      }
    };
    const biology = ['rec_0003', 'rec_0002', 'rec_0001', 'rec_0000'];
    expect(all('biol')).toEqual(biology);
    expect(all('Bïól')).toEqual(biology);
    expect(all('marine bio')).toEqual(biology);
    expect(all('ada mari')).toEqual(['rec_0002', 'rec_0000']);
    expect(all('biolx')).toEqual([]);
    expect(all('blue-4.m')).toEqual(['rec_0004']);
    catalogue.transaction(() => {
      for (let n = 10; n < 250; n += 1) {
        const session = { id: `ses_${n}`, topic: `zebra${n}` };
        catalogue.recordings.putDeclared(recording(n, { session }));
      }
    });
    expect(all('zebra', 90)).toHaveLength(240);
    expect(all('zebra1', 90)).toHaveLength(110);
  });

  test('when a recording is attributed, renamed or its take moves, then it is found anew', () => {
    const catalogue = evening();
    catalogue.transaction(() => {
      catalogue.takes.put(take(4, { recording: 'rec_0003' }), noon);
      catalogue.recordings.dropEmpty('rec_0004', noon);
      catalogue.recordings.dropEmpty('rec_0003', noon); // has takes: stays
    });
    const found = catalogue.recordings.search('blue-4', {}, { limit: 9 }).recordings;
    expect(found.map(({ id, takes }) => [id, takes.length])).toEqual([['rec_0003', 2]]);
    expect(catalogue.recordings.byId('rec_0004')).toBeUndefined();
  });

  test('whatever is typed, a search never fails', () => {
    const catalogue = evening();
    const typed = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.constantFrom(
        'NOT',
        'a AND',
        'topic:x',
        '*',
        '"a"*',
        "';DROP TABLE takes",
        '^x',
        'NEAR(a b)',
      ),
      fc
        .array(fc.constantFrom('"', '*', 'x', ' ', ':', '(', '\0', 'é', '漢', '\ud800'))
        .map((a) => a.join('')),
    );
    fc.assert(
      fc.property(typed, (text) => {
        catalogue.recordings.search(text, {}, { limit: 3 });
      }),
      { numRuns: 500 },
    );
    expect(idsOf(catalogue)).toHaveLength(5);
  });

  test('whatever the page size, pages hold every recording once and in order', () => {
    const catalogue = fresh();
    const starts = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 30 });
    let next = 0;
    fc.assert(
      fc.property(starts, fc.integer({ min: 1, max: 7 }), (minutes, limit) => {
        next += 1;
        const session = { id: `ses_${next}.`, topic: 'pages' };
        catalogue.transaction(() => {
          for (const [n, at] of minutes.entries()) {
            const id = `rec_${next}_${n}`;
            catalogue.recordings.putDeclared(
              recording(n, { id, session, startedAt: noon + at * minute }),
            );
          }
        });
        const seen: string[] = [];
        let from: string | undefined;
        do {
          const page = catalogue.recordings.list({ session: session.id }, { limit, from });
          seen.push(...page.recordings.map(({ id }) => id));
          from = page.next ?? undefined;
        } while (from !== undefined);
        expect(seen).toHaveLength(minutes.length);
        expect(new Set(seen).size).toBe(minutes.length);
      }),
      { numRuns: 30 },
    );
  });
});

describe('given a name that people of many evenings have', () => {
  // Person and minute of each recording; the people are all called Ada.
  const evenings = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 9 })),
    { minLength: 1, maxLength: 40 },
  );
  const times = fc.record({
    since: fc.option(fc.integer({ min: 0, max: 9 }), { nil: undefined }),
    until: fc.option(fc.integer({ min: 0, max: 9 }), { nil: undefined }),
    verdict: fc.constantFrom('whole', 'interrupted', undefined),
  });

  test('then pages of all their recordings are in one order, newest first', () => {
    const catalogue = fresh();
    let run = 0;
    fc.assert(
      fc.property(evenings, times, fc.integer({ min: 1, max: 7 }), (list, chosen, limit) => {
        run += 1;
        const name = `Ada ${run}`;
        catalogue.transaction(() => {
          for (const [n, [person, at]] of list.entries()) {
            const id = `rec_${run}_${n}`;
            const participant = { id: `par_${run}_${person}`, name };
            const more = { id, participant, startedAt: noon + at * minute };
            catalogue.recordings.putDeclared(recording(n, more));
            const verdict = n % 3 === 0 ? 'interrupted' : 'whole';
            catalogue.takes.put(take(n, { id: `take_${run}_${n}`, recording: id, verdict }), noon);
          }
        });
        const { since, until, verdict } = chosen;
        const moment = (at: number | undefined) => (at === undefined ? at : noon + at * minute);
        const filter = { participant: name, verdict, since: moment(since), until: moment(until) };
        const seen: string[] = [];
        let from: string | undefined;
        do {
          const page = catalogue.recordings.list(filter, { limit, from });
          seen.push(...page.recordings.map(({ id }) => id));
          from = page.next ?? undefined;
        } while (from !== undefined);
        const expected = list
          .map(([, at], n) => ({ at, n }))
          .filter(({ at }) => at >= (since ?? 0) && at < (until ?? 10))
          .filter(({ n }) => !verdict || (n % 3 === 0) === (verdict === 'interrupted'))
          .sort((a, b) => b.at - a.at || b.n - a.n)
          .map(({ n }) => `rec_${run}_${n}`);
        expect(seen).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });
});

describe('given a catalogue that lost something', () => {
  function listing(catalogue: Catalogue) {
    return {
      all: catalogue.recordings.list({}, { limit: 100 }),
      found: catalogue.recordings.search('blue', {}, { limit: 100 }),
      folders: catalogue.folders.all(),
      unfinished: catalogue.takes.unfinished(),
    };
  }

  function observedEvening(catalogue: Catalogue): void {
    catalogue.transaction(() => {
      catalogue.folders.put({ path: '/home/ada/Videos', recorder: 'obs', addedAt: noon });
      catalogue.folders.put({ path: '/tmp/x', recorder: null, addedAt: noon });
      catalogue.folders.remove('/tmp/x', noon);
    });
    for (let n = 0; n < 20; n++) {
      catalogue.transaction(() => {
        catalogue.recordings.putObserved(recording(n), noon);
        catalogue.takes.put(take(n, { stage: 'sighted', verdict: 'recording' }), noon);
        catalogue.takes.put(take(n), noon);
      });
    }
    catalogue.transaction(() => {
      catalogue.takes.put(take(7, { recording: 'rec_0008' }), noon);
      catalogue.recordings.dropEmpty('rec_0007', noon);
    });
  }

  test('when its tables are rebuilt from the journal, then they say the same', () => {
    const catalogue = fresh();
    observedEvening(catalogue);
    const before = listing(catalogue);
    expect(rebuildTables(catalogue)).toEqual({ entries: 65, takes: 20, recordings: 19 });
    expect(listing(catalogue)).toEqual(before);
  });

  test('wherever a page is torn, then it is restored from backup and journal, all of it', async () => {
    const options = freshOptions();
    const catalogue = openExample(options);
    fill(catalogue, 3);
    observedEvening(catalogue);
    const backup = await catalogue.backUp('daily', noon);
    expect(existsSync(backup)).toBe(true);
    const atBackup = catalogue.journal.head.seq;
    catalogue.transaction(() => {
      catalogue.recordings.putObserved(recording(30), noon);
      catalogue.takes.put(take(30), noon);
    });
    const before = listing(catalogue);
    catalogue.close();
    expect(checkCatalogueFile(options.path).every(({ sound }) => sound)).toBe(true);

    zeroPage(options.path, Math.floor(statSync(options.path).size / 4096 / 2));
    const report = restoreCatalogue(options);
    expect(report).toMatchObject({ backup, fromBackup: atBackup });
    expect(report.salvaged).toBeLessThanOrEqual(2);
    expect(existsSync(report.kept)).toBe(true);
    const restored = openExample(options);
    if (report.salvaged === 2) expect(listing(restored).found).toEqual(before.found);
    expect(restored.recordings.byId('rec_0012')?.takes).toEqual([take(12)]);
    restored.close();
    expect(checkCatalogueFile(options.path).every(({ sound }) => sound)).toBe(true);
  });

  test('when damage shows only while it is read, then it is an obstacle and not a bug', () => {
    const options = freshOptions();
    const catalogue = openExample(options);
    fill(catalogue, 50);
    catalogue.close();
    const pages = statSync(options.path).size / 4096;
    for (let page = 1; page < pages; page++) zeroPage(options.path, page);
    const database = openDatabase(options.path);
    try {
      database.prepare('SELECT * FROM takes').all();
      expect.unreachable();
    } catch (cause) {
      const obstacle = obstacleOf(options.path, cause);
      expect(obstacle).toMatchObject({ code: 'catalogue-damaged' });
    } finally {
      database.close();
    }
    const bug = new Error('a bug');
    expect(obstacleOf(options.path, bug)).toBe(bug);
  });

  test('when there is no backup, then what the journal still says is kept', () => {
    const options = freshOptions();
    const catalogue = openExample(options);
    observedEvening(catalogue);
    const before = listing(catalogue);
    catalogue.close();
    const report = restoreCatalogue(options);
    expect(report).toMatchObject({ backup: null, fromBackup: 0, salvaged: 65 });
    const restored = openExample(options);
    expect(listing(restored)).toEqual(before);
    restored.close();
  });

  test('when an entry was altered, then the check names it', () => {
    const options = freshOptions();
    const catalogue = openExample(options);
    catalogue.transaction(() => catalogue.recordings.putObserved(recording(1), noon));
    catalogue.transaction(() => catalogue.recordings.putObserved(recording(2), noon));
    catalogue.close();
    const bytes = readFileSync(options.path);
    const at = bytes.lastIndexOf('"permission":"permitted"', bytes.indexOf('rec_0001') + 600);
    expect(at).toBeGreaterThan(0);
    const file = openSync(options.path, 'r+');
    writeSync(file, '"permission":"permittex"', at);
    closeSync(file);
    const findings = checkCatalogueFile(options.path);
    expect(findings.find(({ what }) => what === 'journal')).toMatchObject({ sound: false });
  });
});

function zeroPage(path: string, page: number): void {
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(4096), 0, 4096, page * 4096);
  closeSync(file);
}
