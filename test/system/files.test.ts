import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { Cancelled } from '../../src/container/bytes.ts';
import type { OutputPiece } from '../../src/container/repair-plan.ts';
import { RoomtapeError } from '../../src/errors.ts';
import { FileSource, quoted, sha256 } from '../../src/system/files.ts';
import {
  isOwnOutput,
  recoveredName,
  type Writable,
  writePlan,
} from '../../src/system/plan-writer.ts';
import { temporaryFolder } from './temporary-folder.ts';

const folder = temporaryFolder('files');
const isRoot = process.getuid?.() === 0;

function fileOf(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const noise = (length: number) => {
  const bytes = Buffer.alloc(length);
  let seed = 1;
  for (let at = 0; at < length; at += 1) {
    seed = (seed * 48271) % 2147483647;
    bytes[at] = seed & 0xff;
  }
  return bytes;
};

const codeOf = (act: () => unknown) => {
  try {
    act();
  } catch (problem) {
    if (problem instanceof RoomtapeError) return problem.code;
    throw problem;
  }
  return 'nothing thrown';
};

describe('given a file as a source of bytes', () => {
  const bytes = noise(300_000);
  const path = fileOf('source.bin', bytes);

  test('whatever is read in whatever order, the bytes are those of the file', () => {
    const range = fc.tuple(fc.nat(310_000), fc.oneof(fc.nat(64), fc.nat(40_000), fc.nat(310_000)));
    fc.assert(
      fc.property(fc.array(range, { maxLength: 60 }), (ranges) => {
        const source = new FileSource(path, { followLink: false });
        try {
          for (const [offset, length] of ranges) {
            const got = source.read(offset, length);
            expect(Buffer.compare(got, bytes.subarray(offset, offset + length))).toBe(0);
          }
        } finally {
          source.close();
        }
      }),
      { numRuns: 100 },
    );
  });

  test('when its ends were fetched ahead, then it reads no differently', async () => {
    const bytes = noise(200_000);
    const path = fileOf('ahead.bin', bytes);
    for (const length of [0, 1, 65_536, 1_000_000]) {
      const source = new FileSource(path, { followLink: false });
      await source.fetchEnds(length);
      for (const [at, count] of [
        [0, 512],
        [0, 65_536],
        [65_530, 20],
        [150_000, 100_000],
        [4, 4],
      ] as const) {
        expect(Buffer.compare(source.read(at, count), bytes.subarray(at, at + count))).toBe(0);
      }
      source.close();
    }
  });

  test('when it is cut short before its ends come, then what is left is read', async () => {
    const bytes = noise(50_000);
    const path = fileOf('cut-ahead.bin', bytes);
    const source = new FileSource(path, { followLink: false });
    truncateSync(path, 10_000);
    await source.fetchEnds(65_536);
    expect(Buffer.compare(source.read(0, 50_000), bytes.subarray(0, 10_000))).toBe(0);
    expect(codeOf(() => source.assertUnchanged())).toBe('file-changed');
    source.close();
  });

  test('its views stay valid while reading goes on', () => {
    const source = new FileSource(path, { followLink: false });
    const views = Array.from({ length: 100 }, (_, n) => source.read(n * 3000, 2999));
    for (const [n, view] of views.entries()) {
      expect(Buffer.compare(view, bytes.subarray(n * 3000, n * 3000 + 2999))).toBe(0);
    }
    expect(sha256(source)).toBe(createHash('sha256').update(bytes).digest('hex'));
    source.close();
  });

  test('a parser that patches its copy of what it read changes nothing that is read next', () => {
    const bytes = noise(5000);
    const source = new FileSource(fileOf('patched.bin', bytes), { followLink: false });
    for (const length of [10, 5000]) {
      source.read(0, length).slice().fill(0);
      expect(source.read(0, length)).toEqual(new Uint8Array(bytes.subarray(0, length)));
    }
    source.close();
  });

  test('when it grows or is cut short, then it is noticed', () => {
    const growing = fileOf('growing.bin', bytes);
    const source = new FileSource(growing, { followLink: false });
    source.assertUnchanged();
    appendFileSync(growing, 'more');
    expect(codeOf(() => source.assertUnchanged())).toBe('file-changed');
    truncateSync(growing, 1000);
    expect(source.read(500, 5000).length).toBe(500);
    source.close();
  });

  test('folders, pipes, links that nobody named and missing files are refused at once', () => {
    const link = join(folder, 'link.bin');
    symlinkSync(path, link);
    const open = (target: string, followLink = false) =>
      codeOf(() => new FileSource(target, { followLink }).close());
    expect(open(folder)).toBe('not-a-file');
    expect(open(join(folder, 'none.bin'))).toBe('file-missing');
    expect(open(link)).toBe('not-a-file');
    expect(open(link, true)).toBe('nothing thrown');
    expect(open('/dev/zero')).toBe('not-a-file');
    const pipe = join(folder, 'pipe.mp4');
    if (spawnSync('mkfifo', [pipe]).status === 0) expect(open(pipe)).toBe('not-a-file');
  });

  test.skipIf(isRoot)('without the right to read it, the obstacle says so', () => {
    const secret = fileOf('secret.bin', bytes);
    chmodSync(secret, 0);
    expect(codeOf(() => new FileSource(secret, { followLink: false }))).toBe('file-unreadable');
  });
});

const sourceBytes = noise(50_000);
const sourcePath = fileOf('original.mp4', sourceBytes);

/** A plan over the source from a list of pieces. */
function planOf(pieces: readonly OutputPiece[]): Writable {
  const outputSize = pieces.reduce(
    (sum, piece) => sum + (piece.kind === 'copy' ? piece.length : piece.bytes.length),
    0,
  );
  return { outputSize, pieces: () => pieces };
}

function written(plan: Writable): Buffer {
  return Buffer.concat(
    [...plan.pieces()].map((piece) =>
      piece.kind === 'bytes'
        ? piece.bytes
        : sourceBytes.subarray(piece.offset, piece.offset + piece.length),
    ),
  );
}

function write(
  plan: Writable,
  target: string,
  options: Partial<Parameters<typeof writePlan>[3]> = {},
) {
  const source = new FileSource(sourcePath, { followLink: false });
  try {
    return writePlan(source, plan, target, { existing: 'refuse', ...options });
  } finally {
    source.close();
  }
}

const simple = planOf([
  { kind: 'bytes', bytes: Buffer.from('new head') },
  { kind: 'copy', offset: 8, length: 40_000 },
  { kind: 'bytes', bytes: noise(700) },
]);

describe('given a repair plan to write', () => {
  const target = join(folder, 'out.mp4');

  test('whatever the pieces, the new file is exactly what was planned', () => {
    const piece: fc.Arbitrary<OutputPiece> = fc.oneof(
      fc.record({ kind: fc.constant('bytes' as const), bytes: fc.uint8Array({ maxLength: 300 }) }),
      fc.tuple(fc.nat(49_999), fc.nat(9_000)).map(([offset, length]) => ({
        kind: 'copy' as const,
        offset,
        length: Math.min(length, 50_000 - offset),
      })),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const plan = planOf(pieces);
        write(plan, target, { existing: 'overwrite' });
        expect(readFileSync(target).equals(written(plan))).toBe(true);
      }),
      { numRuns: 60 },
    );
    rmSync(target);
  });

  test('the original is untouched and nothing but the new file is left', () => {
    const before = statSync(sourcePath).mtimeMs;
    write(simple, target);
    expect(readFileSync(sourcePath).equals(sourceBytes)).toBe(true);
    expect(statSync(sourcePath).mtimeMs).toBe(before);
    expect(readdirSync(folder).filter((name) => name.endsWith('.partial'))).toEqual([]);
    expect(readFileSync(target).equals(written(simple))).toBe(true);
  });

  test('an existing file is refused, adopted when it is the same, or replaced when told', () => {
    expect(codeOf(() => write(simple, target))).toBe('output-exists');
    expect(write(simple, target, { existing: 'adopt' })).toEqual({ path: target, how: 'adopted' });
    writeFileSync(target, 'somebody else’s');
    const other = write(simple, target, { existing: 'adopt' });
    expect(other.path).toBe(join(folder, 'out (2).mp4'));
    expect(readFileSync(target, 'utf8')).toBe('somebody else’s');
    write(simple, target, { existing: 'overwrite' });
    expect(readFileSync(target).equals(written(simple))).toBe(true);
  });

  test('a writer that died between giving the name and removing the other leaves nothing behind', () => {
    const died = spawnSync(process.execPath, ['-e', '']).pid;
    linkSync(target, `${target}.${died}-0123abcd.partial`);
    expect(write(simple, target, { existing: 'adopt' })).toEqual({ path: target, how: 'adopted' });
    expect(readdirSync(folder).filter((name) => name.endsWith('.partial'))).toEqual([]);
  });

  test('the original is not replaced even when overwriting is allowed', () => {
    expect(codeOf(() => write(simple, sourcePath, { existing: 'overwrite' }))).toBe(
      'output-exists',
    );
    expect(readFileSync(sourcePath).equals(sourceBytes)).toBe(true);
  });

  test('when it is cancelled between blocks, then nothing is left behind', () => {
    const place = join(folder, 'cancelled');
    mkdirSync(place);
    const stop = () =>
      write(simple, join(place, 'x.mp4'), { progress: () => false, copyOnly: true });
    expect(stop).toThrow(Cancelled);
    expect(readdirSync(place)).toEqual([]);
  });

  test('when the original grows meanwhile, then nothing is kept', () => {
    const place = join(folder, 'grown');
    mkdirSync(place);
    const growing = join(place, 'growing.mp4');
    copyFileSync(sourcePath, growing);
    const source = new FileSource(growing, { followLink: false });
    const progress = () => {
      appendFileSync(growing, 'more');
      return true;
    };
    const act = () =>
      writePlan(source, simple, join(place, 'x.mp4'), {
        existing: 'refuse',
        progress,
        copyOnly: true,
      });
    expect(codeOf(act)).toBe('file-changed');
    source.close();
    expect(readdirSync(place)).toEqual(['growing.mp4']);
  });

  test('what a killed Roomtape left of this very file is removed, a living one’s is not', () => {
    const place = join(folder, 'leftovers');
    mkdirSync(place);
    const dead = spawnSync('true').pid;
    const kept = ['y.mp4.1-00000000.partial', 'x.mp4.notes.partial'];
    for (const name of [`x.mp4.${dead}-0123abcd.partial`, ...kept]) {
      writeFileSync(join(place, name), 'x');
    }
    write(simple, join(place, 'x.mp4'));
    expect(readdirSync(place).sort()).toEqual(['x.mp4', ...kept].sort());
  });

  test('when the target cannot be a folder, then the obstacle names the way out', () => {
    const plain = fileOf('plain', Buffer.from('x'));
    expect(codeOf(() => write(simple, join(plain, 'out.mp4')))).toBe('write-failed');
    expect(codeOf(() => write(simple, '/proc/none/out.mp4'))).toBe('write-failed');
  });

  test('when the disk must keep more free than it has, then nothing is begun', () => {
    const place = join(folder, 'full');
    expect(
      codeOf(() => write(simple, join(place, 'x.mp4'), { reserve: 1e17, copyOnly: true })),
    ).toBe('disk-full');
    expect(readdirSync(place)).toEqual([]);
  });
});

const small = join(folder, 'small');
const canMount = isRoot && process.platform === 'linux' && mountSmall();
function mountSmall(): boolean {
  mkdirSync(small);
  return spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', small]).status === 0;
}
afterAll(() => {
  if (canMount) spawnSync('umount', [small]);
});

describe.runIf(canMount)('given a disk with hardly any room', () => {
  test('when it is known beforehand, then nothing is begun', () => {
    expect(codeOf(() => write(simple, join(small, 'x.mp4')))).toBe('disk-full');
    expect(readdirSync(small)).toEqual([]);
  });

  test('when it fills up in the middle, then nothing is left and the original is intact', () => {
    // The plan claims less than it writes, as a disk that another program fills meanwhile.
    spawnSync('mount', ['-o', 'remount,size=2m', small]);
    const large: OutputPiece[] = Array.from({ length: 60 }, () => ({
      kind: 'copy',
      offset: 0,
      length: 50_000,
    }));
    const lying: Writable = { outputSize: 1000, pieces: () => large };
    expect(codeOf(() => write(lying, join(small, 'x.mp4')))).toBe('disk-full');
    expect(readdirSync(small)).toEqual([]);
    expect(readFileSync(sourcePath).equals(sourceBytes)).toBe(true);
  });

  test('when it is read-only, then the obstacle says so', () => {
    spawnSync('mount', ['-o', 'remount,ro', small]);
    expect(codeOf(() => write(planOf([]), join(small, 'x.mp4')))).toBe('write-failed');
    spawnSync('mount', ['-o', 'remount,rw', small]);
  });
});

describe('given the name of an original', () => {
  test('whatever its length, the new name fits and is known as our own', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 300 }), (stem) => {
        const name = recoveredName(`${stem.replaceAll('/', '_')}.mp4`, '/f', '.mp4').slice(3);
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
        expect(isOwnOutput(name)).toBe(true);
      }),
    );
    expect(recoveredName('/a/blue-02.mp4', '/b', '.mp4')).toBe('/b/blue-02.recovered.mp4');
    expect(isOwnOutput('blue-02.mp4')).toBe(false);
  });

  test('whatever it is, a command printed with it is one word to the shell', () => {
    expect(quoted('/a/b.mp4')).toBe('/a/b.mp4');
    expect(quoted("it's.mp4")).toBe("'it'\\''s.mp4'");
    expect(quoted('-x.mp4')).toBe('./-x.mp4');
  });
});
