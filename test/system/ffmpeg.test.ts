import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { decodeFully, findFfmpeg, searchFfmpeg, trialDecoder } from '../../src/system/ffmpeg.ts';
import { ffmpeg, h264AndAac, pictureAndTone, runFfmpeg } from './media.ts';
import { temporaryFolder } from './temporary-folder.ts';

const folder = temporaryFolder('ffmpeg');
const whole = join(folder, 'whole.mp4');
runFfmpeg(...pictureAndTone(3), ...h264AndAac, whole);

describe('given the places where an ffmpeg may be', () => {
  test('when a variable names one, then it is taken before all others', async () => {
    const chosen = await findFfmpeg('', { ...process.env, ROOMTAPE_FFMPEG: ffmpeg.path });
    expect(chosen).toMatchObject({ path: ffmpeg.path, origin: 'ROOMTAPE_FFMPEG' });
    expect(chosen.version).not.toBe('');
    expect(chosen.year).toBeGreaterThan(2000);
  });

  test('when the named one does not answer -version, then it is passed over and reported', async () => {
    const mute = join(folder, 'mute');
    writeFileSync(mute, '#!/bin/sh\nexit 3\n');
    chmodSync(mute, 0o755);
    const { chosen, rejected } = await searchFfmpeg('', { ...process.env, FFMPEG_PATH: mute });
    expect(chosen?.path).not.toBe(mute);
    expect(rejected).toEqual([
      { path: mute, origin: 'FFMPEG_PATH', problem: expect.stringContaining('exit code 3') },
    ]);
  });

  test('when PATH is empty, then a packed one serves or the obstacle names the remedy', async () => {
    const { chosen } = await searchFfmpeg('', {});
    if (chosen) expect(['ffmpeg-static', '@ffmpeg-installer/ffmpeg']).toContain(chosen.origin);
    else await expect(findFfmpeg('', {})).rejects.toMatchObject({ code: 'no-ffmpeg' });
  });
});

describe('given a file to decode to its end', () => {
  test('when it is whole, then there are no errors and all of it was decoded', async () => {
    const times: number[] = [];
    const report = await decodeFully(ffmpeg, whole, { onProgress: (ms) => times.push(ms) });
    expect(report).toMatchObject({ outcome: 'ok', errors: 0, examples: [] });
    expect(report.decodedMs).toBeGreaterThan(2_800);
    expect(times.length).toBeGreaterThan(0);
  });

  test('when bytes inside are wrong, then errors are counted although ffmpeg exits with 0', async () => {
    const bytes = readFileSync(whole);
    const middle = Math.floor(bytes.length / 3);
    for (let at = middle; at < middle + 3000; at += 7) bytes[at] = (bytes[at] ?? 0) ^ 0x55;
    const broken = join(folder, 'broken.mp4');
    writeFileSync(broken, bytes);
    const report = await decodeFully(ffmpeg, broken);
    expect(report.outcome).toBe('errors');
    expect(report.errors).toBeGreaterThan(0);
    expect(report.examples.length).toBeGreaterThan(0);
  });

  test('when its name looks like an address, then it is read as the file it is', async () => {
    const odd = join(folder, 'http:x y.mp4');
    copyFileSync(whole, odd);
    expect(await decodeFully(ffmpeg, odd)).toMatchObject({ outcome: 'ok' });
  });

  test.each([
    ['HLS', `#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n${whole}\n#EXT-X-ENDLIST\n`],
    ['concat', `ffconcat version 1.0\nfile '${whole}'\n`],
    [
      'DASH',
      `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT3S"><Period><AdaptationSet mimeType="video/mp4"><Representation id="0" bandwidth="1"><BaseURL>file:${whole}</BaseURL></Representation></AdaptationSet></Period></MPD>`,
    ],
  ])(
    'when it is a playlist of %s in disguise, then nothing it names is opened',
    async (_, text) => {
      const list = join(folder, 'list.mp4');
      writeFileSync(list, text);
      const report = await decodeFully(ffmpeg, list);
      expect(report.outcome).toBe('errors');
      expect(report.decodedMs ?? 0).toBe(0);
    },
  );

  test('when ffmpeg hangs, then it is ended and counted as an error', async () => {
    const hanging = join(folder, 'hanging');
    writeFileSync(hanging, `#!/bin/sh\ntrap '' TERM\nexec sleep 60\n`);
    chmodSync(hanging, 0o755);
    const report = await decodeFully({ ...ffmpeg, path: hanging }, whole, { stallMs: 300 });
    expect(report).toMatchObject({ outcome: 'errors', errors: 1 });
  });

  test('when ffmpeg only remarks on equal times, however often, then that is no error', async () => {
    const remarking = join(folder, 'remarking');
    const remark = '[null @ 0x1] Application provided invalid, non monotonically increasing dts';
    const repeated = 'Last message repeated 7 times';
    writeFileSync(remarking, `#!/bin/sh\nprintf '%s\\n' '${remark}' '${repeated}' >&2\n`);
    chmodSync(remarking, 0o755);
    const report = await decodeFully({ ...ffmpeg, path: remarking }, whole);
    expect(report).toMatchObject({ outcome: 'ok', errors: 0 });
  });

  test('when it is cancelled, then the decode ends as cancelled', async () => {
    const stop = new AbortController();
    const long = join(folder, 'long.mp4');
    runFfmpeg('-stream_loop', '200', '-i', whole, '-c', 'copy', long);
    const decoding = decodeFully(ffmpeg, long, {
      signal: stop.signal,
      onProgress: () => stop.abort(),
    });
    await expect(decoding).rejects.toMatchObject({ code: 'cancelled' });
  });
});

describe('given a raw stream for a trial', () => {
  test('its frames are counted, and wrong bytes are told as errors', () => {
    const stream = join(folder, 'stream.h264');
    runFfmpeg('-i', whole, '-c:v', 'copy', '-an', '-bsf:v', 'h264_mp4toannexb', stream);
    const decode = trialDecoder(ffmpeg.path);
    const bytes = readFileSync(stream);
    const good = decode({ format: 'h264', bytes });
    expect(good.errors).toBe(0);
    expect(good.frames).toBeGreaterThanOrEqual(74);
    // Without its parameter sets nothing can be decoded.
    const idr = bytes.indexOf(Buffer.from([0, 0, 1, 0x65]));
    const second = bytes.indexOf(Buffer.from([0, 0, 1, 0x67]), idr);
    const bad = decode({ format: 'h264', bytes: bytes.subarray(idr, second) });
    expect(bad.frames).toBe(0);
    expect(bad.errors).toBeGreaterThan(0);
  });
});
