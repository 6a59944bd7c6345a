import { describe, expect, test } from 'vitest';
import { recorderIds } from '../../src/recorders/profile.ts';
import {
  ignoredNames,
  judgeName,
  profileOf,
  profiles,
  recogniseRecorder,
  relationsIn,
  usualPlaces,
} from '../../src/recorders/profiles.ts';
import { instantOf, localTimeOf, trueStart } from '../../src/recorders/start-time.ts';
import { type ProfileExample, profileContract } from './profile-contract.ts';

const meeting = '/home/ada/Documents/Zoom/2026-09-14 13.36.31 Infrastructure Weekly Meeting';
const meetingStart = '2026-09-14T11:36:31.000Z';

const examples: Record<string, readonly ProfileExample[]> = {
  zoom: [
    {
      path: `${meeting}/video1879983327.mp4`,
      judged: 'recording',
      recorder: 'zoom',
      start: meetingStart,
    },
    {
      path: `${meeting}/audio1879983327.m4a`,
      judged: 'companion',
      recorder: 'zoom',
      start: meetingStart,
    },
    {
      path: `${meeting}/video1879983327.mp4.tmp`,
      judged: 'temporary',
      recorder: 'zoom',
      start: meetingStart,
    },
    {
      path: `${meeting}/double_click_to_convert_01.zoom`,
      judged: 'raw',
      recorder: 'zoom',
      start: meetingStart,
    },
    {
      path: `${meeting}/Audio Record/audioAda Lovelace11879983327.m4a`,
      judged: 'companion',
      start: meetingStart,
    },
    { path: `${meeting}/chat.txt`, judged: 'companion', start: meetingStart },
    {
      path: `${meeting}/recording.conf`,
      judged: 'companion',
      recorder: 'zoom',
      start: meetingStart,
    },
    {
      path: 'C:\\Users\\ada\\Documents\\Zoom\\2017-12-12 11.23.03 Patrick’s Zoom Meeting 901264977\\zoom_0.mp4',
      judged: 'recording',
      recorder: 'zoom',
      start: '2017-12-12T10:23:03.000Z',
    },
    {
      path: '/home/ada/Downloads/GMT20210331-114231_Recording_gvo_1280x720.mp4',
      judged: 'recording',
      recorder: 'zoom',
      start: '2021-03-31T11:42:31.000Z',
    },
  ],
  tencent: [{ path: '/home/ada/x/double_click_to_convert_01', judged: 'raw', recorder: 'tencent' }],
  obs: [
    {
      path: '/v/2026-03-01 10-00-00.mkv',
      judged: 'recording',
      recorder: 'obs',
      start: '2026-03-01T09:00:00.000Z',
    },
    {
      path: '/v/2026-07-01 10-00-00 (2).mp4',
      judged: 'recording',
      recorder: 'obs',
      start: '2026-07-01T08:00:00.000Z',
    },
    {
      path: '/v/2026-07-01_10-00-00_2.flv',
      judged: 'recording',
      recorder: 'obs',
      start: '2026-07-01T08:00:00.000Z',
    },
    {
      path: '/v/2026-03-01 10-00-00.remuxed.mp4',
      judged: 'recording',
      recorder: 'obs',
      start: '2026-03-01T09:00:00.000Z',
    },
    { path: '/v/2026-13-01 10-00-00.mkv', judged: 'recording' },
    { path: '/v/Replay 2026-03-01 10-00-00.mkv', judged: 'replay', recorder: 'obs' },
  ],
  browser: [
    {
      path: '/d/standup_2026-03-01T10_00_00.250Z.webm',
      judged: 'recording',
      recorder: 'browser',
      start: '2026-03-01T10:00:00.250Z',
    },
  ],
  gnome: [
    {
      path: '/home/ada/Videos/Screencasts/Screencast From 2026-03-01 10-00-00.webm',
      judged: 'recording',
      recorder: 'gnome',
      start: '2026-03-01T09:00:00.000Z',
    },
    {
      path: '/v/Screencast from 2024-03-01 10-00-00.mkv',
      judged: 'recording',
      recorder: 'gnome',
      start: '2024-03-01T09:00:00.000Z',
    },
  ],
  quicktime: [
    {
      path: '/Users/ada/Library/Autosave Information/Unsaved.qtpxcomposition/Screen Recording.mov',
      judged: 'recording',
      recorder: 'quicktime',
    },
    {
      path: '/Users/ada/Desktop/Screen Recording 2026-03-01 at 1.00.05\u202fPM.mov',
      judged: 'recording',
      recorder: 'quicktime',
      start: '2026-03-01T12:00:05.000Z',
    },
  ],
  'game-bar': [
    {
      path: 'C:\\Users\\ada\\Videos\\Captures\\Chess.mp4',
      judged: 'recording',
      recorder: 'game-bar',
    },
  ],
  simplescreenrecorder: [
    {
      path: '/v/simplescreenrecorder-2026-03-01_10.00.00.mkv',
      judged: 'recording',
      recorder: 'simplescreenrecorder',
      start: '2026-03-01T09:00:00.000Z',
    },
  ],
  unknown: [
    { path: '/v/talk.mp4', judged: 'recording', recorder: 'unknown' },
    { path: '/v/notes.txt', judged: 'other' },
  ],
};

for (const profile of profiles) profileContract(profile, examples[profile.id] ?? []);

describe('given the list of recorders', () => {
  test('then every id has one profile', () => {
    expect(profiles.map((profile) => profile.id).toSorted()).toEqual([...recorderIds].toSorted());
    for (const id of recorderIds) expect(profileOf(id).id).toBe(id);
  });

  test('when a file is downloading, synced, hidden or our own, then it is ignored', () => {
    const names = [
      '.hidden.mp4',
      'a.mp4.part',
      'a.mp4.crdownload',
      'b.icloud',
      'a.recovered.mp4',
      'Thumbs.db',
      'x.partial',
    ];
    for (const name of names) expect(judgeName(`/v/${name}`)).toBe('ignored');
    expect(ignoredNames.some((pattern) => pattern.test('talk.mp4'))).toBe(false);
  });

  test('when places are asked for, then each system has Zoom’s', () => {
    for (const system of ['linux', 'darwin', 'win32'] as const) {
      const zoomPlaces = usualPlaces(system).filter((place) => place.recorder === 'zoom');
      expect(zoomPlaces.length).toBeGreaterThan(0);
    }
  });
});

describe('given more than a name', () => {
  const zoomHead = new Uint8Array([0x58, 0xf1, 0x05, 0x2c, 0, 0, 0, 0]);

  test('when a raw file has Zoom’s magic number, then it is Zoom’s beyond doubt', () => {
    const path = '/x/double_click_to_convert_01.zoom';
    expect(recogniseRecorder({ path, head: zoomHead })).toMatchObject({
      recorder: 'zoom',
      confidence: 'certain',
    });
  });

  test('when it has not, then it is Tencent Meeting’s or nobody’s, never Zoom’s', () => {
    const path = '/x/double_click_to_convert_01.zoom';
    const head = new TextEncoder().encode('something else entirely');
    expect(recogniseRecorder({ path, head }).recorder).toBe('tencent');
  });

  test('when the file names its writer, then that decides a nameless file', () => {
    const by = (writer: string) =>
      recogniseRecorder({ path: '/x/a.webm', diagnosis: { writer, container: 'webm' } }).recorder;
    expect(by('Chrome')).toBe('browser');
    expect(by('GStreamer matroskamux version 1.22.0')).toBe('gstreamer');
    expect(by('Lavf59.27.100')).toBe('ffmpeg');
    expect(by('OBS Studio (32.0.1)')).toBe('obs');
    expect(by('something new')).toBe('unknown');
  });

  test('when libavformat wrote a file that is named as OBS names its own, then it is OBS', () => {
    const diagnosis = { writer: 'Lavf59.27.100', container: 'matroska' } as const;
    const seen = recogniseRecorder({ path: '/v/2026-03-01 10-00-00.mkv', diagnosis });
    expect(seen.recorder).toBe('obs');
    expect(seen.signs.map((sign) => sign.kind)).toEqual(['name', 'writer']);
  });

  test('when a Zoom file was downloaded from the cloud, then that is said', () => {
    const path = '/d/GMT20210331-114231_Recording.m4a';
    expect(recogniseRecorder({ path }).origin).toBe('cloud');
    expect(recogniseRecorder({ path: `${meeting}/video1879983327.mp4` }).origin).toBe('local');
  });

  test('when recording.conf lies beside a renamed file, then Zoom is a guess at least', () => {
    const seen = recogniseRecorder({
      path: '/x/talk.mp4',
      siblings: ['recording.conf', 'zoomver.tag'],
    });
    expect(seen).toMatchObject({ recorder: 'zoom', confidence: 'likely' });
  });
});

describe('given files of OBS in one folder', () => {
  test('when one was remuxed, then the two are one recording', () => {
    const names = [
      '2026-03-01 10-00-00.mkv',
      '2026-03-01 10-00-00.mp4',
      '2026-03-01 11-00-00.mp4',
      '2026-03-01 11-00-00.remuxed.mp4',
    ];
    expect(relationsIn(names.map((name) => ({ name })))).toEqual([
      { kind: 'remux-of', name: names[1], of: names[0] },
      { kind: 'remux-of', name: names[3], of: names[2] },
    ]);
  });

  test('when one begins where another ends, then it continues it', () => {
    const files = [
      { name: '2026-03-01 10-00-00.mkv', startedAt: 0, durationMs: 600_000 },
      { name: '2026-03-01 10-10-00.mkv', startedAt: 600_400, durationMs: 600_000 },
      { name: '2026-03-01 10-30-00.mkv', startedAt: 1_800_000, durationMs: 1000 },
    ];
    expect(relationsIn(files)).toEqual([
      { kind: 'continues', name: '2026-03-01 10-10-00.mkv', of: '2026-03-01 10-00-00.mkv' },
    ]);
  });
});

describe('given several clocks', () => {
  const base = { path: `${meeting}/video1879983327.mp4`, timeZone: 'Europe/Berlin' };

  test('when Zoom’s MP4 says when it was converted, then that is never taken for the start', () => {
    const createdInFile = Date.parse('2026-09-14T12:40:00Z');
    const start = trueStart(profileOf('zoom'), { ...base, createdInFile, durationMs: 60_000 });
    expect(start?.source).toBe('folder-name');
    const nameless = {
      path: '/x/talk.mp4',
      timeZone: 'UTC',
      createdInFile,
      birth: createdInFile,
      modified: createdInFile,
    };
    expect(trueStart(profileOf('zoom'), nameless)).toBeNull();
  });

  test('when a control record tells, then it is believed before the folder', () => {
    const start = trueStart(profileOf('zoom'), { ...base, controlStart: 1_789_385_800_000 });
    expect(start).toMatchObject({ source: 'control-record', at: 1_789_385_800_000 });
  });

  test('when nothing but the disk tells, then birth, and for a copy the last change less duration', () => {
    const evidence = { path: '/x/talk.mp4', timeZone: 'UTC', durationMs: 60_000 };
    expect(
      trueStart(profileOf('ffmpeg'), { ...evidence, birth: 1000, modified: 62_000 })?.source,
    ).toBe('birth-time');
    const copy = trueStart(profileOf('ffmpeg'), { ...evidence, birth: 900_000, modified: 62_000 });
    expect(copy).toMatchObject({ source: 'last-change', at: 2000 });
  });

  test('when the unknown wrote creation_time, then its duration is taken off and the doubt said', () => {
    const evidence = {
      path: '/x/talk.mp4',
      timeZone: 'UTC',
      durationMs: 60_000,
      createdInFile: 100_000,
    };
    expect(trueStart(profileOf('unknown'), evidence)).toMatchObject({
      at: 40_000,
      uncertainMs: 62_000,
    });
  });

  test('when the hour came twice, then the reading nearer to the file’s birth is taken', () => {
    const local = localTimeOf({ y: '2026', mo: '10', d: '25', h: '02', mi: '30', s: '00' });
    if (!local) throw new Error('a valid date');
    const late = Date.parse('2026-10-25T01:30:00Z');
    expect(instantOf(local, 'Europe/Berlin')).toEqual({ at: late - 3_600_000, ambiguous: true });
    expect(instantOf(local, 'Europe/Berlin', late + 60_000)?.at).toBe(late);
    expect(instantOf(local, 'Nowhere/City')).toBeNull();
  });

  test('when the night skips the hour, then an instant is given all the same', () => {
    const local = localTimeOf({ y: '2026', mo: '03', d: '29', h: '02', mi: '30', s: '00' });
    if (!local) throw new Error('a valid date');
    expect(instantOf(local, 'Europe/Berlin')?.at).toBe(Date.parse('2026-03-29T01:30:00Z'));
  });
});
