/**
 * `roomtape doctor`: what this machine needs to keep recordings, each finding with its remedy.
 *
 * Starts nothing and changes nothing.
 */
import type { Command } from 'commander';
import { createClient, DaemonDown } from '../api/client.ts';
import type { Finding } from '../api/finding.ts';
import { exitCodes, RoomtapeError } from '../errors.ts';
import { dataFolder, type Paths, pathsOf } from '../system/paths.ts';
import { version } from '../system/version.ts';
import type { CatalogueCare, Frame } from './frame.ts';
import { moment, type Style, size } from './output.ts';

const levelStyles: Readonly<Record<Finding['level'], Style>> = {
  ok: 'green',
  warning: 'yellow',
  error: 'red',
};

export function defineCommands(program: Command, frame: Frame): void {
  program
    .command('doctor')
    .description('Examines this machine: Node, database, ffmpeg, disk, folders, daemon, clock.')
    .action(async () => {
      const findings = await examine(frame);
      await frame.print({
        results: findings,
        text: (paint) =>
          findings
            .flatMap(({ part, level, text, next }) => [
              `${paint(levelStyles[level], level.padEnd(8))}${part.padEnd(10)} ${text}`,
              ...(next ? [`${' '.repeat(8)}${paint('dim', 'next:')}      ${next}`] : []),
            ])
            .join('\n'),
      });
      if (findings.some(({ level }) => level === 'error')) frame.exitCode = exitCodes.failed;
    });
}

async function examine(frame: Frame): Promise<Finding[]> {
  const paths = pathsOf(dataFolder());
  const { maintenanceOf } = await frame.daemonCode();
  const care = maintenanceOf(paths.home);
  return [
    node(),
    database(care),
    await ffmpeg(paths),
    ...(await folder(paths)),
    await settings(paths),
    backups(care),
    await clock(paths),
    ...(await watching()),
    ...(await daemon(paths)),
  ];
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const supported = (major === 20 && minor >= 19) || (major === 22 && minor >= 14) || major > 22;
  const text = `Node ${process.versions.node} on ${process.platform} ${process.arch}.`;
  return supported
    ? { part: 'node', level: 'ok', text }
    : {
        part: 'node',
        level: 'error',
        text: `${text} Roomtape needs 20.19 or newer, or 22.14 or newer.`,
        next: 'https://nodejs.org/en/download',
      };
}

function database(care: CatalogueCare): Finding {
  try {
    return { part: 'database', level: 'ok', text: `SQLite ${care.driver()} by better-sqlite3.` };
  } catch (problem) {
    return obstacle('database', problem);
  }
}

async function ffmpeg(paths: Paths): Promise<Finding> {
  const [{ oldBefore, searchFfmpeg }, { readConfig }] = await Promise.all([
    import('../system/ffmpeg.ts'),
    import('../system/config.ts'),
  ]);
  // Wrong settings are a finding of their own.
  const told = await readConfig({ file: paths.config, env: process.env }).then(
    (config) => config.ffmpeg,
    () => '',
  );
  const { chosen, rejected } = await searchFfmpeg(told);
  const passedOver = rejected.map(({ path, problem }) => ` Passed over: ${path} (${problem}).`);
  const remedy =
    process.platform === 'linux'
      ? 'sudo apt-get install ffmpeg'
      : 'https://ffmpeg.org/download.html';
  if (!chosen) {
    const text = `No ffmpeg works; repaired files cannot be verified.${passedOver.join('')}`;
    return { part: 'ffmpeg', level: 'error', text, next: remedy };
  }
  const { path, origin, version: name, year } = chosen;
  const text = `ffmpeg ${name}${year ? ` of ${year}` : ''}, ${path} (${origin}).${passedOver.join('')}`;
  return year !== null && year < oldBefore
    ? { part: 'ffmpeg', level: 'warning', text: `${text} It is old.`, next: remedy }
    : { part: 'ffmpeg', level: 'ok', text };
}

/** Less than this, and the next evening may not fit. */
const littleSpace = 5e9;

async function folder(paths: Paths): Promise<Finding[]> {
  const { fileSystemOf, folderFacts, syncServiceOf } = await import('../system/machine.ts');
  const { exists, writable, freeBytes } = await folderFacts(paths.home);
  if (!exists) {
    const text = `${paths.home} is not there yet.`;
    return [{ part: 'folder', level: 'ok', text, next: 'roomtape up' }];
  }
  const findings: Finding[] = [];
  if (writable) findings.push({ part: 'folder', level: 'ok', text: `${paths.home} is writable.` });
  else {
    const text = `${paths.home} cannot be written to.`;
    findings.push({ part: 'folder', level: 'error', text, next: `chmod u+rwx ${paths.home}` });
  }
  const { statSync } = await import('node:fs');
  const mode = statSync(paths.home).mode & 0o777;
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    const text = `${paths.home} can be read by others (mode ${mode.toString(8)}).`;
    findings.push({ part: 'folder', level: 'warning', text, next: `chmod 700 ${paths.home}` });
  }
  const system = await fileSystemOf(paths.home);
  const synced = syncServiceOf(paths.home);
  if (system?.isNetwork || synced) {
    const where = synced ? `synchronised by ${synced}` : `on a network drive (${system?.type})`;
    findings.push({
      part: 'folder',
      level: 'warning',
      text: `${paths.home} is ${where}: a catalogue there can be damaged.`,
      next: 'ROOMTAPE_HOME=<a folder on this machine> roomtape up',
    });
  }
  if (freeBytes !== null) {
    const scarce = freeBytes < littleSpace;
    findings.push({
      part: 'disk',
      level: scarce ? 'warning' : 'ok',
      text: `${size(freeBytes)} are free where ${paths.home} lies.`,
      ...(scarce ? { next: `df -h ${paths.home}` } : {}),
    });
  }
  return findings;
}

async function settings(paths: Paths): Promise<Finding> {
  const { readSettings } = await import('../system/config.ts');
  try {
    const values = await readSettings({ file: paths.config, env: process.env });
    const changed = values.filter(({ origin }) => origin !== 'default');
    const told = changed.map(({ key, value }) => `${key} = ${value}`).join(', ');
    return { part: 'settings', level: 'ok', text: told || 'All settings have their defaults.' };
  } catch (problem) {
    return obstacle('settings', problem);
  }
}

function backups(care: CatalogueCare): Finding {
  const last = care.lastBackup();
  if (last === 0) {
    const text = 'The catalogue has no backup yet; the daemon makes one each day.';
    return { part: 'backup', level: 'ok', text, next: 'roomtape catalogue backup' };
  }
  const days = Math.floor((Date.now() - last) / 86_400_000);
  const text = `The newest backup of the catalogue is of ${moment(last)}.`;
  return days > 7
    ? { part: 'backup', level: 'warning', text, next: 'roomtape catalogue backup' }
    : { part: 'backup', level: 'ok', text };
}

/** A clock that is behind what this machine itself wrote has been set back. */
async function clock(paths: Paths): Promise<Finding> {
  const { statSync } = await import('node:fs');
  const now = Date.now();
  const written = [paths.catalogue, `${paths.catalogue}-wal`, paths.log].map(
    (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0,
  );
  const behind = Math.max(...written) - now;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (behind < 120_000)
    return { part: 'clock', level: 'ok', text: `It is ${moment(now)} (${zone}).` };
  return {
    part: 'clock',
    level: 'warning',
    text: `The clock shows ${moment(now)}, ${Math.round(behind / 60_000)} minutes before Roomtape last wrote.`,
    next:
      process.platform === 'linux' ? 'timedatectl set-ntp true' : 'set the clock by the network',
  };
}

async function watching(): Promise<Finding[]> {
  const { inotifyUse } = await import('../system/inotify.ts');
  const use = inotifyUse();
  if (!use) return [];
  const { watches, mostWatches, instances, mostInstances } = use;
  const scarce = watches > mostWatches * 0.9 || instances > mostInstances - 5;
  const text =
    `${watches} of ${mostWatches} inotify watches and ${instances} of ${mostInstances} instances ` +
    'are taken.';
  return scarce
    ? [
        {
          part: 'watching',
          level: 'warning',
          text,
          next: 'sudo sysctl fs.inotify.max_user_watches=1048576 fs.inotify.max_user_instances=1024',
        },
      ]
    : [{ part: 'watching', level: 'ok', text }];
}

async function daemon(paths: Paths): Promise<Finding[]> {
  const client = createClient(paths.socket, version());
  try {
    const { pid } = await client.call('daemon.hello', {});
    const known = await client.call('daemon.examine', {});
    return [{ part: 'daemon', level: 'ok', text: `Process ${pid} answers.` }, ...known];
  } catch (problem) {
    if (!(problem instanceof DaemonDown)) return [obstacle('daemon', problem)];
    const text = `No daemon runs for ${paths.home}.`;
    return [{ part: 'daemon', level: 'warning', text, next: 'roomtape up' }];
  }
}

function obstacle(part: string, problem: unknown): Finding {
  if (!(problem instanceof RoomtapeError)) throw problem;
  const { message: text, next } = problem;
  return { part, level: 'error', text, ...(next ? { next } : {}) };
}
