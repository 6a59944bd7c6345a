/**
 * Every word that can follow `roomtape`, and the file that knows it.
 *
 * The table is what `roomtape --help` prints, so that no command's code is loaded for it. A file is
 * loaded when one of its words is typed, and defines its commands on the commander program. A new
 * command is one line here and one file (or a place in the file of its noun).
 */
import type { Command } from 'commander';
import type { Frame } from './frame.ts';
import type { QuickCommand } from './quick-command.ts';

/** What a command file exports as `defineCommands`. */
export type DefineCommands = (program: Command, frame: Frame) => void;

export interface CommandEntry {
  readonly word: string;
  /** One line, in the imperative, for `roomtape --help`. */
  readonly summary: string;
  /** Typed all day: what it will need is loaded at once. */
  readonly daily?: true;
  readonly load: () => Promise<{
    readonly defineCommands: DefineCommands;
    /** The commands of the file that need no commander when they are plainly right. */
    readonly quickCommands?: readonly QuickCommand[];
  }>;
}

export interface CommandGroup {
  readonly title: string;
  readonly entries: readonly CommandEntry[];
}

const daemon = () => import('./daemon.ts');
const catalogue = () => import('./catalogue.ts');
const doctor = () => import('./doctor.ts');
const config = () => import('./config.ts');
const recorder = () => import('./recorder.ts');
const service = () => import('./service.ts');
const completion = async () => {
  const { completionOf } = await import('./completion.ts');
  return { defineCommands: completionOf(() => commandGroups) };
};
const session = () => import('./session.ts');
const room = () => import('./room.ts');
const participant = () => import('./participant.ts');
const permission = () => import('./permission.ts');
const record = () => import('./record.ts');
const rescue = () => import('./rescue.ts');
const list = () => import('./list.ts');
const recordings = () => import('./recordings.ts');
const line = () => import('./line.ts');
const identity = () => import('./identity.ts');
const audit = () => import('./audit.ts');

export const commandGroups: readonly CommandGroup[] = [
  {
    title: 'Broken files, without a daemon',
    entries: [
      { word: 'inspect', summary: 'say what a file is and what is wrong with it', load: rescue },
      { word: 'recover', summary: 'write a repaired copy of an interrupted file', load: rescue },
      { word: 'verify', summary: 'read and decode a file to its end', load: rescue },
    ],
  },
  {
    title: 'Sessions and rooms (host)',
    entries: [
      { word: 'session', summary: 'create, list, show or close a session', load: session },
      { word: 'room', summary: 'add, open, close, assign and show rooms', load: room },
      { word: 'participant', summary: 'add, list or remove people', load: participant },
      { word: 'move', summary: 'move somebody to another room', load: participant },
      { word: 'exchange', summary: 'exchange the rooms of two people', load: participant },
      { word: 'import', summary: "import Zoom's pre-assignment file", load: participant },
    ],
  },
  {
    title: 'Permission',
    entries: [
      { word: 'grant', summary: 'let somebody record in a room', load: permission },
      { word: 'revoke', summary: 'withdraw permission', load: permission },
      { word: 'request', summary: 'ask the host for permission', load: permission },
      { word: 'requests', summary: 'list the open requests', load: permission },
      { word: 'approve', summary: 'grant a request, or approve a recording', load: permission },
      { word: 'deny', summary: 'deny a request', load: permission },
      { word: 'policy', summary: 'say what happens to requests', load: permission },
      { word: 'cohost', summary: 'add, list or remove co-hosts', load: permission },
      { word: 'accept', summary: 'take what a signed line says', load: line },
      { word: 'identity', summary: 'show, export, import or rotate your key', load: identity },
      { word: 'audit', summary: 'print the journal as a hash chain, or verify one', load: audit },
    ],
  },
  {
    title: 'Recording (participant)',
    entries: [
      { word: 'join', summary: 'join a session by its line, or go to a room', load: record },
      { word: 'leave', summary: 'leave the room or the session', load: record },
      { word: 'record', summary: 'start recording, where you may', load: record },
      { word: 'pause', summary: 'pause your recording', load: record },
      { word: 'resume', summary: 'go on with your paused recording', load: record },
      { word: 'stop', summary: 'stop your recording', load: record },
    ],
  },
  {
    title: 'Recordings',
    entries: [
      { word: 'list', summary: 'list recordings with their takes', load: list, daily: true },
      { word: 'search', summary: 'find recordings by words', load: list },
      { word: 'show', summary: 'show everything known of a recording', load: recordings },
      {
        word: 'coverage',
        summary: 'show which minutes of which room were recorded',
        load: () => import('./coverage.ts'),
      },
      { word: 'open', summary: 'play a take, or show it in its folder', load: recordings },
      { word: 'tag', summary: 'correct what a take belongs to', load: recordings },
      { word: 'export', summary: 'write the list as JSON or CSV', load: recordings },
    ],
  },
  {
    title: 'Watched folders and recorders',
    entries: [
      {
        word: 'watch',
        summary: 'add, list, remove or suggest folders that recorders write to',
        load: () => import('./watch.ts'),
      },
      { word: 'recorder', summary: 'add, list or remove recorders to drive', load: recorder },
      { word: 'preflight', summary: 'say what could cost a recording', load: recorder },
    ],
  },
  {
    title: 'Daemon and machine',
    entries: [
      {
        word: 'demo',
        summary: 'play an evening with real recorders and a real crash',
        load: () => import('./demo.ts'),
      },
      { word: 'up', summary: 'start the daemon', load: daemon },
      { word: 'down', summary: 'stop the daemon', load: daemon },
      {
        word: 'status',
        summary: 'show what is recorded now and what needs care',
        load: daemon,
        daily: true,
      },
      { word: 'events', summary: 'print what happens as it happens', load: daemon },
      { word: 'logs', summary: 'print what the daemon wrote down', load: daemon },
      { word: 'daemon', summary: 'run the daemon in the foreground (daemon run)', load: daemon },
      {
        word: 'doctor',
        summary: 'examine this machine, with the remedy for each finding',
        load: doctor,
      },
      {
        word: 'catalogue',
        summary: 'check, back up, restore or rebuild the catalogue',
        load: catalogue,
      },
      { word: 'config', summary: 'print every setting with its origin', load: config },
      { word: 'service', summary: 'start the daemon at login', load: service },
      {
        word: 'completion',
        summary: 'print a script that completes commands on Tab',
        load: completion,
      },
    ],
  },
];

export function findCommand(word: string): CommandEntry | undefined {
  for (const group of commandGroups) {
    const entry = group.entries.find((candidate) => candidate.word === word);
    if (entry) return entry;
  }
  return undefined;
}

export function commandWords(): string[] {
  return commandGroups.flatMap((group) => group.entries.map((entry) => entry.word));
}
