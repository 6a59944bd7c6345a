/**
 * A small disk of its own, on a loop device, whose power can be cut: the shutdown ioctl of ext4 and
 * XFS throws away everything that was not flushed, as a power cut does.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type FileSystem = 'ext4' | 'xfs';

function sh(command: string, ...argv: string[]): string {
  const ended = spawnSync(command, argv, { encoding: 'utf8' });
  if (ended.status !== 0) throw new Error(`${command} ${argv.join(' ')}: ${ended.stderr}`);
  return ended.stdout;
}

/** Whether this machine lets a test make and cut such a disk. */
export function canCutPower(fileSystem: FileSystem): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  if (spawnSync(`mkfs.${fileSystem}`, ['-V']).error) return false;
  let disk: LoopDisk | undefined;
  try {
    disk = new LoopDisk(fileSystem);
    disk.cutPower();
    return true;
  } catch {
    return false;
  } finally {
    disk?.remove();
  }
}

export class LoopDisk {
  readonly path: string;
  readonly #folder: string;
  readonly #image: string;
  readonly #fileSystem: FileSystem;

  constructor(fileSystem: FileSystem, size?: number) {
    this.#fileSystem = fileSystem;
    this.#folder = mkdtempSync(join(tmpdir(), 'roomtape-disk-'));
    this.#image = join(this.#folder, 'image');
    this.path = join(this.#folder, 'disk');
    mkdirSync(this.path);
    writeFileSync(this.#image, '');
    // XFS refuses to be made smaller than 300 MB. The image is sparse.
    truncateSync(this.#image, size ?? (fileSystem === 'xfs' ? 320_000_000 : 96_000_000));
    sh(`mkfs.${fileSystem}`, '-q', this.#image);
    this.#mount();
  }

  #mount(): void {
    sh('mount', '-t', this.#fileSystem, '-o', 'loop', this.#image, this.path);
  }

  /** Loses whatever is not on the disk yet; every use of it fails from now on. */
  cutPower(): void {
    // EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN are the same number; 2: do not flush the log.
    const code =
      'open(my $d,"<",$ARGV[0]) or die; my $f=pack("L",2); ioctl($d,0x8004587d,$f) or die $!';
    sh('perl', '-e', code, this.path);
  }

  /** Comes back as after the next start. Nobody may have a file of it open. */
  comeBack(): void {
    sh('umount', this.path);
    this.#mount();
  }

  remove(): void {
    spawnSync('umount', ['-l', this.path]);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
