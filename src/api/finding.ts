/**
 * What `roomtape doctor` finds: one part of the machine, how it is, and what to do about it.
 */

export interface Finding {
  /** `node`, `database`, `ffmpeg`, `disk`, `folder`, `daemon`, `clock`, `watching`, … */
  readonly part: string;
  readonly level: 'ok' | 'warning' | 'error';
  /** One sentence with the real names and numbers. */
  readonly text: string;
  /** The command that mends it, or shows more. */
  readonly next?: string;
}
