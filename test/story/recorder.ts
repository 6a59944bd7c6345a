/**
 * A recorder as people have them: a process of its own that writes a moving picture and a tone to a
 * file in real time, and that can be paused, stopped as it should be, or killed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { watch } from 'node:fs/promises';
import { ffmpeg } from '../system/media.ts';

export class Recorder {
  readonly path: string;
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor(path: string, tone = 440) {
    this.path = path;
    const argv = [
      ...['-nostdin', '-v', 'error', '-re', '-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=25'],
      ...['-re', '-f', 'lavfi', '-i', `sine=frequency=${tone}:sample_rate=48000`],
      ...['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-b:v', '4M'],
      ...['-minrate', '4M', '-maxrate', '4M', '-bufsize', '1M', '-x264-params', 'nal-hrd=cbr'],
      ...['-g', '25', '-pix_fmt', 'yuv420p', '-c:a', 'aac', '-b:a', '96k', '-ac', '2', '-t', '90'],
      path,
    ];
    this.#process = spawn(ffmpeg.path, argv, { stdio: 'ignore' });
    this.#ended = once(this.#process, 'close');
  }

  /** Resolves when so much of the file is on disk: what a recorder still holds is lost with it. */
  async wrote(bytes: number): Promise<void> {
    const changes = watch(this.path);
    if (statSync(this.path).size >= bytes) return;
    for await (const _ of changes) if (statSync(this.path).size >= bytes) return;
  }

  /** Stops as its own Stop button would: the file is finished. */
  async stop(): Promise<void> {
    this.#process.kill('SIGINT');
    await this.#ended;
  }

  /** What a crash or a power button does. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#ended;
  }

  pause(): void {
    this.#process.kill('SIGSTOP');
  }

  resume(): void {
    this.#process.kill('SIGCONT');
  }
}
