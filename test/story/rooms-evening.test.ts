/**
 * One file, two rooms: Ada's recorder goes on while the host moves her, and Bo records beside her.
 * Coverage tells the evening; export cuts, joins and lines up what was recorded.
 */
import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { RoomCoverage } from '../../src/session/coverage.ts';
import { EventLog } from './event-log.ts';
import { Recorder } from './recorder.ts';
import { Machine } from './roomtape-command.ts';

interface Exported {
  readonly output: string;
  readonly durationMs: number;
  readonly room?: { readonly number: number };
  readonly takes: readonly { readonly atMs: number }[];
  readonly verification: { readonly structure: string; readonly decode: string };
  readonly leftOut: readonly unknown[];
}

const ended: (() => unknown)[] = [];
afterAll(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

describe('given somebody who is moved while recording, and somebody who is not', () => {
  test('coverage, the split by rooms, and the timeline of a room come out of what was recorded', async () => {
    const machine = new Machine();
    ended.push(() => machine.end());
    const home = realpathSync(machine.home);
    await machine.json('up');
    const log = new EventLog(machine.home);
    ended.push(() => log.close());
    await machine.json('session', 'create', 'Evening', '--host', 'Mira', '--rooms', '2');
    await machine.json('participant', 'add', 'Ada', 'Bo');
    await machine.json('room', 'open');
    await machine.json('grant', '--all', '--room', 'all', '--for', '2h');
    for (const name of ['Ada', 'Bo']) {
      mkdirSync(join(home, name));
      await machine.json('watch', 'add', join(home, name), '--as', name);
    }
    const [adas, bos] = [join(home, 'Ada', 'a.mkv'), join(home, 'Bo', 'b.mkv')];
    await machine.json('join', '--as', 'Ada', '--room', '1');
    await machine.json('record', '--as', 'Ada');
    const ada = new Recorder(adas);
    ended.push(() => ada.kill());
    await log.take('growing', adas);
    await machine.json('move', 'Ada', '2');
    await machine.json('record', '--as', 'Bo', '--room', '2');
    const bo = new Recorder(bos, 660);
    ended.push(() => bo.kill());
    await log.take('growing', bos);
    await Promise.all([ada.stop(), bo.stop()]);
    await machine.json('stop', '--as', 'Ada');
    await machine.json('stop', '--as', 'Bo');
    await log.take('indexed', adas);
    await log.take('indexed', bos);

    const rooms = await machine.json<RoomCoverage>('coverage');
    const recordedIn = (number: number) =>
      rooms
        .find(({ room }) => room.number === number)
        ?.stretches.filter(({ cover }) => cover === 'recorded')
        .flatMap(({ by }) => by);
    expect(recordedIn(1)).toEqual(['Ada']);
    expect(new Set(recordedIn(2))).toEqual(new Set(['Ada', 'Bo']));
    const lines = (await machine.run('coverage')).out.split('\n');
    expect(lines.some((line) => /^1\t.*\trecorded\tAda\t/.test(line))).toBe(true);
    const picture = (await machine.run('coverage', 'Evening', '--blocks', '--width', '80')).out;
    expect(picture).toMatch(/█/);
    expect(picture).toMatch(/2 Room 2: .* recorded by Ada, Bo/);

    const [second] = await machine.json<{ takes: readonly { path: string; span?: object }[] }>(
      'list',
      '--participant',
      'Ada',
      '--room',
      '2',
    );
    expect(second?.takes).toMatchObject([{ path: adas, span: { from: expect.any(Number) } }]);

    const [recording] = await machine.json<{ id: string }>(
      'list',
      '--participant',
      'Ada',
      '--room',
      '1',
    );
    const parts = await machine.json<Exported>('export', recording?.id ?? '', '--split-rooms');
    expect(parts.map(({ room }) => room?.number)).toEqual([1, 2]);
    for (const { output, verification, durationMs } of parts) {
      expect(existsSync(output)).toBe(true);
      expect(verification).toMatchObject({ structure: 'ok', decode: 'ok' });
      expect(durationMs).toBeGreaterThan(0);
    }

    const [line] = await machine.json<Exported>(
      'export',
      '--timeline',
      '--room',
      '2',
      '--out',
      join(home, 'out'),
    );
    expect(line).toMatchObject({ output: join(home, 'out', 'a.timeline.mkv'), leftOut: [] });
    expect(line?.takes).toHaveLength(2);
    expect(line?.verification).toMatchObject({ structure: 'ok', decode: 'ok' });

    const [joined] = await machine.json<Exported>(
      'export',
      recording?.id ?? '',
      '--join',
      '--pauses',
      'close',
    );
    expect(joined).toMatchObject({ output: join(home, 'Ada', 'a.joined.mkv'), leftOut: [] });
    // What Roomtape made itself is no recording of anybody.
    expect(await machine.json('list', '--participant', 'Ada')).toHaveLength(2);
  });
});
