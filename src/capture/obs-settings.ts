/**
 * What OBS's own settings files say: where its WebSocket server listens, and whether what it records
 * would survive a crash.
 *
 * Pure: the texts come from system/obs-files.ts. Written from OBS 29's files; newer versions keep
 * the profile's name in user.ini (31) and the WebSocket settings in a config.json (30.2).
 */

/** The texts of one OBS configuration folder; null where a file is not there. */
export interface ObsTexts {
  readonly folder: string;
  readonly globalIni: string | null;
  readonly userIni: string | null;
  readonly webSocketJson: string | null;
  /** basic.ini of each profile, by the name of the profile's folder. */
  readonly profiles: ReadonlyMap<string, string>;
}

export interface ObsWebSocketSettings {
  readonly enabled: boolean;
  readonly port: number;
  /** Null when OBS asks for none. */
  readonly password: string | null;
}

export interface ObsRecordSettings {
  readonly profile: string;
  /** The section of basic.ini that counts: OBS has a simple and an advanced output mode. */
  readonly section: 'SimpleOutput' | 'AdvOut';
  /** The key that counts: OBS 30 and later read `RecFormat2`. */
  readonly key: 'RecFormat' | 'RecFormat2';
  /** As OBS writes it: mkv, mp4, fragmented_mp4, hybrid_mp4, mov, flv, ts, hls … */
  readonly format: string;
  readonly folder: string | null;
  readonly survivesCrash: boolean;
  /** Bits a second expected from the settings; an estimate from the picture size when it is not set. */
  readonly bitsPerSecond: number;
}

type Ini = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** Reads an INI text as OBS does: the last value of a key counts, sections may repeat. */
export function parseIni(text: string): Ini {
  const sections = new Map<string, Map<string, string>>();
  let section = new Map<string, string>();
  sections.set('', section);
  for (const raw of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    const line = raw.trim();
    const header = /^\[(.*)\]$/.exec(line)?.[1];
    const equals = line.indexOf('=');
    if (header !== undefined) {
      section = sections.get(header) ?? new Map<string, string>();
      sections.set(header, section);
    } else if (equals > 0 && !/^[#;]/.test(line)) {
      section.set(line.slice(0, equals).trim(), line.slice(equals + 1).trim());
    }
  }
  return sections;
}

/** Sets one value of an INI text and leaves every other byte as it is. */
export function withIniValue(text: string, section: string, key: string, value: string): string {
  const newline = text.includes('\r\n') ? '\r\n' : '\n';
  const lines = text.split(/\r?\n/);
  const head = lines.findIndex((line) => line.trim() === `[${section}]`);
  if (head < 0) {
    const gap = text === '' || text.endsWith('\n') ? '' : newline;
    return `${text}${gap}${newline}[${section}]${newline}${key}=${value}${newline}`;
  }
  // Sections may repeat and the last value counts for OBS, so all of them are set.
  let current = '';
  let found = false;
  const set = lines.map((line) => {
    current = /^\s*\[(.*)\]\s*$/.exec(line)?.[1] ?? current;
    const name = line.slice(0, Math.max(0, line.indexOf('='))).trim();
    if (current !== section || name !== key) return line;
    found = true;
    return `${key}=${value}`;
  });
  if (found) return set.join(newline);
  return [...lines.slice(0, head + 1), `${key}=${value}`, ...lines.slice(head + 1)].join(newline);
}

/** Where OBS's WebSocket server listens; null when OBS has no such server set up. */
export function webSocketSettings(texts: ObsTexts): ObsWebSocketSettings | null {
  return fromJson(texts.webSocketJson) ?? fromIni(texts.globalIni);
}

function fromJson(text: string | null): ObsWebSocketSettings | null {
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Half-written by an OBS that was killed: as good as none.
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const entry = (key: string): unknown => Object.entries(value).find(([name]) => name === key)?.[1];
  const password = entry('server_password');
  return {
    enabled: entry('server_enabled') === true,
    port: portOf(Number(entry('server_port'))),
    password:
      entry('auth_required') !== false && typeof password === 'string' && password !== ''
        ? password
        : null,
  };
}

function fromIni(text: string | null): ObsWebSocketSettings | null {
  const section = text === null ? undefined : parseIni(text).get('OBSWebSocket');
  if (!section) return null;
  return {
    enabled: section.get('ServerEnabled') === 'true',
    port: portOf(Number(section.get('ServerPort'))),
    password:
      section.get('AuthRequired') !== 'false' ? section.get('ServerPassword') || null : null,
  };
}

function portOf(port: number): number {
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : 4455;
}

/** What the current profile records, and how; null when the profile cannot be read. */
export function recordSettings(texts: ObsTexts): ObsRecordSettings | null {
  const user = parseIni(texts.userIni ?? '').get('Basic');
  const global = parseIni(texts.globalIni ?? '').get('Basic');
  const profile = user?.get('ProfileDir') ?? global?.get('ProfileDir') ?? onlyOne(texts.profiles);
  const text = profile === undefined ? undefined : texts.profiles.get(profile);
  if (profile === undefined || text === undefined) return null;

  const ini = parseIni(text);
  const section = ini.get('Output')?.get('Mode') === 'Advanced' ? 'AdvOut' : 'SimpleOutput';
  const values = ini.get(section) ?? new Map<string, string>();
  const key = values.has('RecFormat2') || isObs30(texts) ? 'RecFormat2' : 'RecFormat';
  const custom = section === 'AdvOut' && values.get('RecType') === 'FFmpeg';
  // Without a value OBS takes its default, Matroska up to 31 and hybrid MP4 since: both survive.
  const format = (custom ? values.get('FFExtension') : values.get(key)) ?? 'mkv';
  const folderKey = custom ? 'FFFilePath' : section === 'AdvOut' ? 'RecFilePath' : 'FilePath';
  const muxer = values.get(
    custom ? 'FFMCustom' : section === 'AdvOut' ? 'RecMuxerCustom' : 'MuxerCustom',
  );
  return {
    profile,
    section,
    key,
    format,
    folder: unescaped(values.get(folderKey)) || null,
    survivesCrash: survivesCrash(format, muxer ?? ''),
    bitsPerSecond: expectedRate(ini, section),
  };
}

/**
 * True when a file of this OBS format can be read although OBS never finished it. Plain MP4 and MOV
 * keep their index for the end, unless the muxer was told to write fragments.
 */
export function survivesCrash(format: string, muxerSettings: string): boolean {
  const plain = /^(mp4|mov|m4v|m4a)$/i.test(format);
  return !plain || /frag_keyframe|empty_moov|frag_duration|hybrid_fragmented/.test(muxerSettings);
}

function expectedRate(ini: Ini, section: 'SimpleOutput' | 'AdvOut'): number {
  const number = (from: string, key: string) => Number(ini.get(from)?.get(key)) || 0;
  const audio = (number('SimpleOutput', 'ABitrate') || 160) * 1000;
  const quality = ini.get('SimpleOutput')?.get('RecQuality') ?? 'Stream';
  if (section === 'SimpleOutput' && quality === 'Stream') {
    return (number('SimpleOutput', 'VBitrate') || 2500) * 1000 + audio;
  }
  // A quality, not a rate, is set: a tenth of a bit for each pixel and frame is what x264 and the
  // hardware encoders need for a screen with some movement at OBS's "high quality".
  const width = number('Video', 'OutputCX') || 1920;
  const height = number('Video', 'OutputCY') || 1080;
  const rate = number('Video', 'FPSCommon') || 30;
  return Math.round(width * height * rate * 0.1) + audio;
}

function isObs30(texts: ObsTexts): boolean {
  const version = Number(
    parseIni(texts.globalIni ?? '')
      .get('General')
      ?.get('LastVersion'),
  );
  return Number.isInteger(version) && version >>> 24 >= 30;
}

function onlyOne(profiles: ReadonlyMap<string, string>): string | undefined {
  return profiles.size === 1 ? [...profiles.keys()][0] : undefined;
}

/** OBS writes Windows paths with doubled backslashes. */
function unescaped(path: string | undefined): string | undefined {
  return path?.replaceAll('\\\\', '\\');
}
