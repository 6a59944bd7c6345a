/**
 * WAV as killed recorders leave it: the size in the header is anything but the file's.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ByteSource, memorySource } from '../../src/container/bytes.ts';
import { wav } from '../../src/container/riff/wav.ts';
import { execute } from './format-contract.ts';

interface Layout {
  /** Of the `data` chunk, as declared. */
  readonly dataSize: number;
  readonly riffSize?: number;
  readonly riff?: 'RIFF' | 'RF64';
  /** Chunks before and behind the sound. */
  readonly before?: Uint8Array;
  readonly after?: Uint8Array;
}

/** 16 bits, two channels, 48 kHz. */
function wavFile(sound: Uint8Array, layout: Layout): Uint8Array {
  const head = Buffer.alloc(36);
  head.write(layout.riff ?? 'RIFF', 0, 'latin1');
  head.writeUInt32LE(layout.riffSize ?? layout.dataSize, 4);
  head.write('WAVEfmt ', 8, 'latin1');
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(2, 22);
  head.writeUInt32LE(48_000, 24);
  head.writeUInt32LE(192_000, 28);
  head.writeUInt16LE(4, 32);
  head.writeUInt16LE(16, 34);
  const parts = [head, layout.before ?? Buffer.alloc(0), chunk('data', layout.dataSize), sound];
  return new Uint8Array(Buffer.concat([...parts, layout.after ?? Buffer.alloc(0)]));
}

function chunk(id: string, size: number, body: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(8);
  head.write(id, 0, 'latin1');
  head.writeUInt32LE(size, 4);
  return Buffer.concat([head, body]);
}

/** Sound in which no sample is zero. */
function loud(frames: number): Uint8Array {
  return Uint8Array.from({ length: frames * 4 }, (_, index) => 1 + ((index * 37) % 255));
}

const repair = (bytes: Uint8Array) => {
  const source = memorySource(bytes);
  const outcome = wav.planRepair(source, { references: [] });
  return outcome.kind === 'plan' ? { ...outcome, output: execute(source, outcome) } : null;
};

describe('given a WAV whose recorder was killed', () => {
  const placeholders = {
    'libsndfile (0)': 0,
    'ffmpeg (0xFFFFFFFF)': 0xffffffff,
    'SoX (0x7FFFF000)': 0x7ffff000,
    'GStreamer (0x7FFF0000)': 0x7fff0000,
    'a recorder that wrote the header a while ago': 4000,
  };
  for (const [recorder, dataSize] of Object.entries(placeholders)) {
    test(`when ${recorder} left the size, every whole frame is kept`, () => {
      const sound = loud(30_000);
      const torn = Uint8Array.from([...sound, 1, 2, 3]);
      const diagnosis = wav.diagnose(memorySource(wavFile(torn, { dataSize })));
      expect(diagnosis).toMatchObject({ verdict: 'interrupted', durationMs: 625 });
      expect(diagnosis.tracks[0]).toMatchObject({ samples: 30_000, codec: 'pcm_s16le' });
      const repaired = repair(wavFile(torn, { dataSize }));
      expect(repaired?.output).toEqual(
        wavFile(sound, { dataSize: sound.length, riffSize: 36 + sound.length }),
      );
    });
  }

  test('when a list stands before the sound, it stays there', () => {
    const before = chunk(
      'LIST',
      26,
      Buffer.from('INFOISFT\x0e\x00\x00\x00Lavf59.27.100\x00', 'latin1'),
    );
    const sound = loud(1000);
    const repaired = repair(wavFile(sound, { dataSize: 0xffffffff, before }));
    const riffSize = 36 + before.length + sound.length;
    expect(repaired?.output).toEqual(wavFile(sound, { dataSize: sound.length, riffSize, before }));
    expect(wav.diagnose(memorySource(repaired?.output ?? sound)).writer).toBe('Lavf59.27.100');
  });

  test('when the file ends in zeros that were never written, they do not count', () => {
    const bytes = new Uint8Array(44 + 4000 + 50_000);
    bytes.set(wavFile(loud(1000), { dataSize: 0 }));
    const diagnosis = wav.diagnose(memorySource(bytes));
    expect(diagnosis.tracks[0]?.samples).toBe(1000);
    expect(diagnosis.damage.map((each) => each.kind)).toContain('zero-tail');
  });

  test('when the recording was silent before, silence at its end is kept', () => {
    const sound = new Uint8Array(60_002);
    sound.set(loud(5000), 20_000);
    const diagnosis = wav.diagnose(memorySource(wavFile(sound, { dataSize: 0 })));
    expect(diagnosis.tracks[0]?.samples).toBe(15_000);
  });

  test('wherever the header was last brought up to date, nothing behind it is lost', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5000 }), (frames) => {
        const sound = loud(5001);
        const diagnosis = wav.diagnose(memorySource(wavFile(sound, { dataSize: frames * 4 })));
        expect(diagnosis.tracks[0]?.samples).toBe(5001);
      }),
    );
  });
});

describe('given a WAV that was closed', () => {
  const sound = loud(1000);
  const closed = (after: Uint8Array) =>
    wavFile(sound, { dataSize: sound.length, riffSize: 36 + sound.length + after.length, after });

  test('when chunks stand behind the sound, it is whole and they are not sound', () => {
    const diagnosis = wav.diagnose(memorySource(closed(chunk('id3 ', 6, Buffer.from('ID3abc')))));
    expect(diagnosis.verdict).toBe('whole');
    expect(diagnosis.tracks[0]?.samples).toBe(1000);
  });

  test('when it was cut inside a chunk behind the sound, all sound is kept and the chunk left out', () => {
    const bytes = closed(chunk('LIST', 200, Buffer.alloc(90, 65)));
    const repaired = repair(bytes);
    expect(repaired?.output).toEqual(closed(new Uint8Array(0)));
  });

  test('when its last sound is silence, it stays whole', () => {
    const quiet = new Uint8Array(20_000);
    quiet.set(loud(100));
    const bytes = wavFile(quiet, { dataSize: quiet.length, riffSize: 36 + quiet.length });
    expect(wav.diagnose(memorySource(bytes)).verdict).toBe('whole');
  });
});

describe('given a WAV of more than 4 GB', () => {
  const size = 5 * 2 ** 30 + 3;
  const head = wavFile(new Uint8Array(0), { dataSize: 0xffffffff });
  const huge: ByteSource = {
    size,
    read: (offset, length) => {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset))).fill(7);
      if (offset < head.length) bytes.set(head.subarray(offset, offset + bytes.length));
      return bytes;
    },
  };

  test('when it is repaired, it becomes RF64 with 64-bit sizes', () => {
    const outcome = wav.planRepair(huge, { references: [] });
    if (outcome.kind !== 'plan') throw new Error('there must be a plan');
    const [first, second] = [...outcome.pieces()];
    const frames = Math.floor((size - head.length) / 4);
    expect(second).toEqual({ kind: 'copy', offset: head.length, length: frames * 4 });
    const made = Buffer.from(first?.kind === 'bytes' ? first.bytes : []);
    expect(made.toString('latin1', 0, 4)).toBe('RF64');
    expect(made.toString('latin1', 12, 16)).toBe('ds64');
    expect(Number(made.readBigUInt64LE(20))).toBe(outcome.outputSize - 8);
    expect(Number(made.readBigUInt64LE(28))).toBe(frames * 4);
    expect(outcome.tracks[0]?.samples).toBe(frames);
  });
});
