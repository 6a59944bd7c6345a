/**
 * Settings: one TOML file in the data folder; flag > environment > file > default.
 *
 * The table below is all there is to set. A key that is not in it is an error that names the
 * nearest one: a setting that is silently ignored would be found out on the evening it matters.
 */
import { readFileSync } from 'node:fs';
import { RoomtapeError } from '../errors.ts';
import { nearestWord } from './spelling.ts';

type Setting =
  | {
      readonly kind: 'choice';
      readonly choices: readonly string[];
      readonly otherwise: string;
      readonly help: string;
    }
  | { readonly kind: 'flag'; readonly otherwise: boolean; readonly help: string }
  | {
      readonly kind: 'number';
      readonly least: number;
      readonly most: number;
      readonly otherwise: number;
      readonly help: string;
    }
  | { readonly kind: 'text'; readonly otherwise: string; readonly help: string };

/** Every setting, by its key in the file. In the environment `keep-link` is `ROOMTAPE_KEEP_LINK`. */
export const settings = {
  name: {
    kind: 'text',
    otherwise: '',
    help: 'the name by which the others in a session know you',
  },
  recovery: {
    kind: 'choice',
    choices: ['auto', 'flag'],
    otherwise: 'auto',
    help: 'repair interrupted files by itself (auto) or only say so (flag)',
  },
  enforce: {
    kind: 'flag',
    otherwise: false,
    help: 'stop a recorder Roomtape controls when it records without permission',
  },
  notifications: { kind: 'flag', otherwise: false, help: 'show warnings on the desktop' },
  'keep-link': {
    kind: 'flag',
    otherwise: false,
    help: 'keep a hard link to each growing file until its take is whole',
  },
  'resume-after-crash': {
    kind: 'flag',
    otherwise: false,
    help: 'start a recorder again that died while recording',
  },
  'free-disk-mb': {
    kind: 'number',
    least: 0,
    most: 1e9,
    otherwise: 500,
    help: 'leave this much of the disk free: no repair and no recording beyond it',
  },
  ffmpeg: {
    kind: 'text',
    otherwise: '',
    help: 'path of the ffmpeg to use; found by itself if empty',
  },
  'zoom-converter': {
    kind: 'text',
    otherwise: '',
    help: 'program that converts Zoom’s raw files; found by itself if empty',
  },
  'log-level': {
    kind: 'choice',
    choices: ['debug', 'info', 'warn', 'error'],
    otherwise: 'info',
    help: 'what the daemon writes to its log',
  },
} as const satisfies Record<string, Setting>;

export type SettingKey = keyof typeof settings;

type ValueOf<S extends Setting> = S extends { kind: 'choice'; choices: readonly (infer C)[] }
  ? C
  : S extends { kind: 'flag' }
    ? boolean
    : S extends { kind: 'number' }
      ? number
      : string;

/** The value of every setting. */
export type Config = { readonly [Key in SettingKey]: ValueOf<(typeof settings)[Key]> };

export type Origin = 'flag' | 'environment' | 'file' | 'default';

export interface SettingValue {
  readonly key: SettingKey;
  readonly value: string | number | boolean;
  readonly origin: Origin;
  readonly help: string;
}

export interface ConfigSources {
  readonly file: string;
  readonly env: NodeJS.ProcessEnv;
  /** `key=value` as given with `--set`. */
  readonly flags?: readonly string[];
}

/** Every setting with its value and where it comes from. Throws `config-invalid`. */
export async function readSettings(sources: ConfigSources): Promise<SettingValue[]> {
  const fromFile = await readConfigFile(sources.file);
  const fromFlags = new Map((sources.flags ?? []).map(readFlag));
  return settingKeys.map((key) => {
    const { help, otherwise } = settings[key];
    const flag = fromFlags.get(key);
    if (flag !== undefined) return { key, help, origin: 'flag', value: parse(key, flag, '--set') };
    const name = environmentName(key);
    const told = sources.env[name];
    if (told !== undefined && told !== '') {
      return { key, help, origin: 'environment', value: parse(key, told, name) };
    }
    const filed = fromFile.get(key);
    if (filed !== undefined) {
      return { key, help, origin: 'file', value: parse(key, filed, sources.file) };
    }
    return { key, help, origin: 'default', value: otherwise };
  });
}

export async function readConfig(sources: ConfigSources): Promise<Config> {
  const values = await readSettings(sources);
  // The table made the keys and `parse` the values: this is the one place that puts them together.
  return Object.fromEntries(values.map(({ key, value }) => [key, value])) as unknown as Config;
}

export const settingKeys = Object.keys(settings) as readonly SettingKey[];

export const environmentName = (key: SettingKey) =>
  `ROOMTAPE_${key.toUpperCase().replaceAll('-', '_')}`;

async function readConfigFile(path: string): Promise<Map<SettingKey, unknown>> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw new RoomtapeError('config-invalid', `${path} cannot be read: ${reasonOf(cause)}.`, {
      next: 'roomtape doctor',
      cause,
    });
  }
  const { parse: parseToml } = await import('smol-toml');
  try {
    const entries = Object.entries(parseToml(text));
    return new Map(entries.map(([key, value]) => [knownKey(key, path), value]));
  } catch (cause) {
    if (cause instanceof RoomtapeError) throw cause;
    const firstLine = reasonOf(cause).split('\n')[0];
    throw new RoomtapeError('config-invalid', `${path} is not valid TOML: ${firstLine}.`, {
      next: `edit ${path}`,
      cause,
    });
  }
}

function readFlag(text: string): [SettingKey, string] {
  const split = text.indexOf('=');
  if (split < 1) {
    throw new RoomtapeError('usage', `--set wants KEY=VALUE, not ${JSON.stringify(text)}.`, {
      next: 'roomtape config --help, which lists all settings',
    });
  }
  return [knownKey(text.slice(0, split), '--set'), text.slice(split + 1)];
}

function knownKey(key: string, where: string): SettingKey {
  if (Object.hasOwn(settings, key)) return key as SettingKey;
  const meant = nearestWord(key, settingKeys);
  const hint = meant ? ` Did you mean ${JSON.stringify(meant)}?` : '';
  throw new RoomtapeError(
    'config-invalid',
    `${where}: there is no setting ${JSON.stringify(key)}.${hint}`,
    { next: 'roomtape config --help, which lists all settings' },
  );
}

/** Reads a value from TOML (typed) or from the environment and flags (text). */
function parse(key: SettingKey, raw: unknown, where: string): string | number | boolean {
  const setting: Setting = settings[key];
  const wrong = (wanted: string) =>
    new RoomtapeError(
      'config-invalid',
      `${where}: ${key} must be ${wanted}, not ${JSON.stringify(raw) ?? 'that'}.`,
      { next: 'roomtape config --help, which lists all settings' },
    );
  switch (setting.kind) {
    case 'choice':
      if (typeof raw === 'string' && setting.choices.includes(raw)) return raw;
      throw wrong(setting.choices.map((choice) => JSON.stringify(choice)).join(' or '));
    case 'flag':
      if (typeof raw === 'boolean') return raw;
      if (raw === 'true' || raw === '1') return true;
      if (raw === 'false' || raw === '0') return false;
      throw wrong('true or false');
    case 'number': {
      const number = typeof raw === 'string' && raw.trim() !== '' ? Number(raw) : raw;
      if (typeof number === 'number' && number >= setting.least && number <= setting.most) {
        return number;
      }
      throw wrong(`a number from ${setting.least} to ${setting.most}`);
    }
    case 'text':
      if (typeof raw === 'string') return raw;
      throw wrong('a text');
  }
}

const reasonOf = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause));
