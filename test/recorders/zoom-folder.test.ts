import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  judgeMeeting,
  type MeetingFile,
  type MeetingSnapshot,
  parseRecordingConf,
  parseZoomverTag,
} from '../../src/recorders/zoom-folder.ts';

const path = '/home/ada/Documents/Zoom/2026-09-14 13.36.31 Infrastructure Weekly Meeting';
const conf = (process: number, audio = 'audio1879983327.m4a', video = 'video1879983327.mp4') =>
  JSON.stringify({ items: [{ audio, prefix: '', process, video }], magic_number: '879983327' });
const begun = '{"items":[{"audio":"","prefix":"","process":0,"video":""}],"magic_number":"2"}';
const rawState = { magic: true, whole: true, bytesKept: 1000, durationMs: 4000 };
const raw = (state: Partial<MeetingFile['raw']> = {}): MeetingFile => ({
  name: 'double_click_to_convert_01.zoom',
  size: 1000,
  raw: { ...rawState, ...state },
});
const control = { ...raw(), name: 'double_click_to_convert_02.zoom', size: 50 };
const stub = { name: 'video1879983327.mp4.tmp', size: 500 };
const video = { name: 'video1879983327.mp4', size: 900 };
const audio = { name: 'audio1879983327.m4a', size: 300 };
const tag = (length: number) =>
  `double_click_to_convert_01.zoom: ver=2, len=${length}, status=0, tag=${'a'.repeat(64)}\r\n`;

function judge(files: readonly MeetingFile[], more: Partial<MeetingSnapshot> = {}) {
  const still = { path, conf: null, tag: null, growing: false, converterAlive: false };
  return judgeMeeting({ ...still, ...more, files });
}

const row = (files: readonly MeetingFile[], more: Partial<MeetingSnapshot> = {}) =>
  judge(files, more).items.map((item) => item.verdict);

describe('given the table of verdicts', () => {
  test('when raw files grow, then Zoom is recording', () => {
    expect(row([raw(), control], { growing: true })).toEqual(['recording']);
    expect(row([raw(), control], { growing: true, conf: begun })).toEqual(['recording']);
  });

  test('when they are idle and whole, then the conversion is pending', () => {
    const seen = judge([raw(), control], { conf: begun, tag: tag(1000) }).items[0];
    expect(seen).toMatchObject({
      verdict: 'conversion-pending',
      file: control.name.replace('02', '01'),
    });
    expect(seen?.next).toContain('roomtape recover');
  });

  test('when one is cut inside a packet, then it is interrupted and the bytes are told', () => {
    const seen = judge([raw({ whole: false, bytesKept: 900 }), control]).items[0];
    expect(seen?.verdict).toBe('interrupted');
    expect(seen?.detail).toContain('900 of 1000 bytes');
    expect(seen?.detail).toContain('4.0 s');
  });

  test('when it is damaged inside, then the place is told and what follows still counts', () => {
    const [item] = judge([raw({ whole: false, bytesKept: 400, damagedAt: 400 })]).items;
    expect(item?.verdict).toBe('interrupted');
    expect(item?.detail).toContain('damaged at byte 400 of 1000, 4.0 s');
  });

  test('when zoomver.tag promises another length, then it is interrupted', () => {
    expect(row([raw(), control], { tag: tag(1001) })).toEqual(['interrupted']);
  });

  test('when a stub lies beside raw files, then the converter decides', () => {
    expect(row([raw(), stub], { conf: conf(40), converterAlive: true })).toEqual(['converting']);
    expect(row([raw(), stub], { conf: conf(40) })).toEqual(['conversion-interrupted']);
    expect(row([raw({ whole: false }), stub], { conf: conf(40) })).toEqual([
      'conversion-interrupted',
    ]);
  });

  test('when only the stub is left, then the raw files are gone', () => {
    expect(row([stub], { conf: conf(40) })).toEqual(['raw-gone']);
    expect(row([stub])).toEqual(['raw-gone']);
  });

  test('when the file that recording.conf names is there, then it is ready, raw files or not', () => {
    expect(row([video, audio], { conf: conf(100) })).toEqual(['ready']);
    expect(row([raw(), control, video, audio], { conf: conf(100), tag: tag(1000) })).toEqual([
      'ready',
    ]);
    expect(judge([video, audio], { conf: conf(100) }).items[0]).toMatchObject({
      file: video.name,
      audio: audio.name,
      next: null,
    });
  });

  test('when it is not, then the output is missing', () => {
    expect(row([], { conf: conf(100) })).toEqual(['missing-output']);
    expect(row([raw(), stub], { conf: conf(100) })).toEqual(['missing-output']);
  });

  test('when there is no recording.conf, then an older Zoom finished it', () => {
    expect(
      row([
        { name: 'zoom_0.mp4', size: 5 },
        { name: 'audio_only.m4a', size: 5 },
      ]),
    ).toEqual(['ready']);
    const two = ['zoom_0.mp4', 'zoom_1.mp4', 'audio_only.m4a', 'audio_only_1.m4a'];
    const items = judge(two.map((name) => ({ name, size: 5 }))).items;
    expect(items.map((item) => [item.file, item.audio])).toEqual([
      ['zoom_0.mp4', 'audio_only.m4a'],
      ['zoom_1.mp4', 'audio_only_1.m4a'],
    ]);
  });

  test('when the magic number is wrong, then it is foreign; when nothing was written, empty', () => {
    expect(row([raw({ magic: false })])).toEqual(['foreign']);
    expect(row([{ ...raw(), size: 0 }])).toEqual(['empty']);
  });
});

describe('given one meeting', () => {
  test('when it was recorded twice, then recording.conf lists two recordings', () => {
    const items = [
      { audio: 'audio1879983327.m4a', video: video.name, process: 100 },
      { audio: 'audio2879983327.m4a', video: 'video2879983327.mp4', process: 30 },
    ];
    const text = JSON.stringify({ items, magic_number: '879983327' });
    const second = { name: 'video2879983327.mp4.tmp', size: 3 };
    expect(row([raw(), video, audio, second], { conf: text })).toEqual([
      'ready',
      'conversion-interrupted',
    ]);
  });

  test('when its folder has a name of Zoom’s, then topic, id and start are read', () => {
    const old = judge([], {
      path: 'C:\\Zoom\\2017-12-12 11.23.03 Cafe\u0301 Zoom Meeting 901264977',
    });
    expect(old).toMatchObject({
      topic: 'Café Zoom Meeting',
      meetingId: '901264977',
      localStart: { year: 2017, hour: 11, second: 3 },
    });
    expect(judge([], { path: '/x/renamed' })).toMatchObject({ topic: null, meetingId: null });
    expect(judge([], { path: '/x/2026-02-31 11.23.03 Topic' }).topic).toBeNull();
  });

  test('when chat, captions and separate voices lie in it, then they are its companions', () => {
    const names = [
      'chat.txt',
      'meeting_saved_new_chat.txt',
      'closed_caption.txt',
      'GMT20210331-114231_Recording.transcript.vtt',
      'Audio Record/audioAda Lovelace11879983327.m4a',
      'playback.m3u',
    ];
    const seen = judge([...names.map((name) => ({ name, size: 9 })), video], { conf: conf(100) });
    expect(seen.companions.map((companion) => companion.kind)).toEqual([
      'chat',
      'chat',
      'captions',
      'captions',
      'separate-audio',
      'playlist',
    ]);
    expect(seen.companions[4]?.person).toBe('Ada Lovelace');
    expect(seen.cloud).toEqual([names[3]]);
    expect(seen.items).toHaveLength(1);
  });

  test('when the path has quotes, then the next command still names it', () => {
    const next = judge([raw()], { path: "/x/2026-01-01 10.00.00 Ada's room" }).items[0]?.next;
    expect(next).toBe("roomtape recover '/x/2026-01-01 10.00.00 Ada'\\''s room'");
  });
});

describe('given texts from outside', () => {
  test('when recording.conf is torn or odd, then what can be read is read', () => {
    expect(parseRecordingConf('{"items":[{"audio":"audio1879').items).toEqual([]);
    expect(parseRecordingConf('[]').items).toEqual([]);
    expect(
      parseRecordingConf('{"items":[{"video":"../../etc/passwd","process":1e9}]}').items,
    ).toEqual([{ video: '', audio: '', process: 100 }]);
  });

  test('when zoomver.tag has other lines, then they are left out', () => {
    expect(parseZoomverTag(`x\n${tag(60241944)}junk`)).toEqual([
      { file: 'double_click_to_convert_01.zoom', length: 60241944, status: 0 },
    ]);
  });

  test('whatever lies in a folder, every recording gets one verdict and no stub is ever ready', () => {
    const file = fc.record({
      name: fc.constantFrom(
        raw().name,
        control.name,
        stub.name,
        video.name,
        audio.name,
        'zoom_0.mp4',
        'x',
      ),
      size: fc.nat(2000),
      raw: fc.constantFrom(rawState, { ...rawState, magic: false }, { ...rawState, whole: false }),
    });
    fc.assert(
      fc.property(
        fc.array(file),
        fc.oneof(fc.json(), fc.constantFrom(null, begun, conf(100), conf(7)), fc.string()),
        fc.oneof(fc.constant(null), fc.string(), fc.constant(tag(1000))),
        fc.boolean(),
        fc.boolean(),
        (files, text, lines, growing, converterAlive) => {
          for (const item of judge(files, { conf: text, tag: lines, growing, converterAlive })
            .items) {
            if (item.verdict === 'ready') expect(item.file).not.toMatch(/\.tmp$/);
            expect(item.detail).not.toBe('');
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
