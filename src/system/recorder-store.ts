/**
 * The recorders a person has set up, with the passwords of those that want one: one file of mode
 * 0600 in the key folder, replaced at one stroke.
 *
 * Passwords are here and nowhere else: not in the catalogue, not in the log, not on a command line.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RoomtapeError } from '../errors.ts';
import { replaceFile } from './small-file.ts';

export interface StoredObs {
  readonly kind: 'obs';
  readonly name: string;
  /** Null: port and password are read from OBS's own settings at each connection. */
  readonly url: string | null;
  readonly password: string | null;
  /** OBS's configuration folder; null when it is not on this machine or not known. */
  readonly configFolder: string | null;
}

export interface StoredScreen {
  readonly kind: 'screen';
  readonly name: string;
  readonly screen: string;
  readonly size: string | null;
  readonly frameRate: number;
  readonly microphones: readonly string[];
  readonly folder: string;
  /** DISPLAY and its like: a daemon that starts at login has none of its own. */
  readonly environment: Readonly<Record<string, string>>;
}

export type StoredRecorder = StoredObs | StoredScreen;

export class RecorderStore {
  readonly #folder: string;
  readonly #path: string;

  /** @param keyFolder  mode 0700 */
  constructor(keyFolder: string) {
    this.#folder = keyFolder;
    this.#path = join(keyFolder, 'recorders.json');
  }

  /** In the order they were added; the first is the one that `record` drives. */
  all(): readonly StoredRecorder[] {
    let text: string;
    try {
      text = readFileSync(this.#path, 'utf8');
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return [];
      throw this.#unreadable(cause);
    }
    try {
      const value: unknown = JSON.parse(text);
      if (Array.isArray(value)) return value.map(parseRecorder);
    } catch (cause) {
      throw this.#unreadable(cause);
    }
    throw this.#unreadable(new Error('not a list'));
  }

  /** Adds a recorder, or replaces the one of its name in its place. */
  put(recorder: StoredRecorder): void {
    const before = this.all();
    const known = before.some(({ name }) => name === recorder.name);
    this.#write(
      known
        ? before.map((one) => (one.name === recorder.name ? recorder : one))
        : [...before, recorder],
    );
  }

  remove(name: string): void {
    this.#write(this.all().filter((one) => one.name !== name));
  }

  #write(recorders: readonly StoredRecorder[]): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    replaceFile(this.#path, `${JSON.stringify(recorders, null, 2)}\n`);
  }

  #unreadable(cause: unknown): RoomtapeError {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new RoomtapeError('file-unreadable', `${this.#path} cannot be read: ${reason}.`, {
      next: `mv '${this.#path}' '${this.#path}.bad' && roomtape recorder add obs`,
      cause,
    });
  }
}

function parseRecorder(value: unknown): StoredRecorder {
  const fields = new Map(Object.entries(value ?? {}));
  const text = (key: string): string => {
    const field: unknown = fields.get(key);
    if (typeof field !== 'string') throw new Error(`a recorder without ${key}`);
    return field;
  };
  const textOrNull = (key: string) => (typeof fields.get(key) === 'string' ? text(key) : null);
  if (text('kind') === 'obs') {
    return {
      kind: 'obs',
      name: text('name'),
      url: textOrNull('url'),
      password: textOrNull('password'),
      configFolder: textOrNull('configFolder'),
    };
  }
  const microphones: unknown = fields.get('microphones');
  const environment = Object.entries(fields.get('environment') ?? {});
  return {
    kind: 'screen',
    name: text('name'),
    screen: text('screen'),
    size: textOrNull('size'),
    frameRate: Number(fields.get('frameRate')) || 30,
    microphones: Array.isArray(microphones) ? microphones.map(String) : [],
    folder: text('folder'),
    environment: Object.fromEntries(environment.map(([key, word]) => [key, String(word)])),
  };
}
