/**
 * OBS Studio: every container it writes, its automatic remux and its automatic splits.
 *
 * OBS's files carry no name but libavformat's: the file name is what tells. Its muxer is a process
 * of its own and may outlive a killed OBS, so a file is judged when its writer is gone, not when
 * OBS is.
 */
import type { FolderFile, RecorderProfile, Relation } from './profile.ts';

const stamp = String.raw`(?<y>\d{4})-(?<mo>\d{2})-(?<d>\d{2})[ _](?<h>\d{2})-(?<mi>\d{2})-(?<s>\d{2})`;
const extension = String.raw`\.(?<ext>mp4|mov|mkv|flv|ts|m3u8)$`;
const recordingName = new RegExp(
  String.raw`^${stamp}(?: \(\d+\)|_\d+)?(?<remuxed>\.remuxed)?${extension}`,
);
const replayName = new RegExp(String.raw`^Replay[ _]${stamp}(?: \(\d+\)|_\d+)?${extension}`);

export const obs: RecorderProfile = {
  id: 'obs',
  title: 'OBS Studio',
  names: [
    {
      of: 'file',
      pattern: recordingName,
      weight: 0.85,
      role: 'recording',
      clock: 'local',
      says: 'the name is a date and time as OBS writes them',
    },
    {
      of: 'file',
      pattern: replayName,
      weight: 0.9,
      role: 'replay',
      says: 'the name is that of OBS’s replay buffer',
    },
  ],
  writers: [
    { pattern: /\bOBS(?: Studio|-studio|\b)/i, weight: 0.95, says: 'the file names OBS' },
    { pattern: /^Lavf/, weight: 0.1, says: 'libavformat wrote it, which OBS uses' },
  ],
  quietForMs: 10_000,
  places: [
    { system: 'linux', folder: '{videos}' },
    { system: 'linux', folder: '{home}' },
    { system: 'darwin', folder: '{videos}' },
    { system: 'win32', folder: '{videos}' },
  ],
  creationTime: 'start',
  birth: 'start',
  relations: (files) => [...remuxes(files), ...splits(files)],
};

/**
 * `X.mkv` becomes `X.mp4` when OBS remuxes after recording; a fragmented `X.mp4` becomes
 * `X.remuxed.mp4`. Both hold the same packets: one recording, two takes of the same bytes.
 */
function remuxes(files: readonly FolderFile[]): Relation[] {
  const names = new Set(files.map((file) => file.name));
  const relations: Relation[] = [];
  for (const { name } of files) {
    const match = recordingName.exec(name);
    if (!match) continue;
    const extension = match.groups?.['ext'] ?? '';
    const stem = name.slice(0, -extension.length - 1);
    const sources = match.groups?.['remuxed']
      ? ['mp4', 'mov', 'mkv', 'flv', 'ts'].map(
          (from) => `${stem.slice(0, -'.remuxed'.length)}.${from}`,
        )
      : extension === 'mp4' || extension === 'mov'
        ? ['mkv', 'flv', 'ts'].map((from) => `${stem}.${from}`)
        : [];
    const of = sources.find((source) => names.has(source));
    if (of) relations.push({ kind: 'remux-of', name, of });
  }
  return relations;
}

/** Longest hole between the files of an automatic split; names count whole seconds. */
const splitSlackMs = 2500;

/** A split ends one file and begins the next at once: the next one's start is this one's end. */
function splits(files: readonly FolderFile[]): Relation[] {
  const timed = files.flatMap(({ name, startedAt, durationMs }) => {
    const match = recordingName.exec(name);
    if (!match || match.groups?.['remuxed'] || startedAt === undefined) return [];
    return [{ name, startedAt, durationMs, extension: match.groups?.['ext'] }];
  });
  timed.sort((a, b) => a.startedAt - b.startedAt);
  const relations: Relation[] = [];
  for (const [i, file] of timed.entries()) {
    if (file.durationMs === undefined || file.durationMs <= 0) continue;
    const end = file.startedAt + file.durationMs;
    const next = timed.slice(i + 1).find(({ extension }) => extension === file.extension);
    if (next && Math.abs(next.startedAt - end) <= splitSlackMs) {
      relations.push({ kind: 'continues', name: next.name, of: file.name });
    }
  }
  return relations;
}
