/**
 * `roomtape list` and `status` while a daemon runs, without anything that starts or explains.
 */
import { createClient } from '../api/client.ts';
import type { ExitCode } from '../errors.ts';
import { dataFolder, pathsOf } from '../system/paths.ts';
import { version } from '../system/version.ts';
import { quickCommands as daemonCommands } from './daemon.ts';
import { createFrame } from './frame.ts';
import { quickCommands as listCommands } from './list.ts';
import { readQuick } from './quick-command.ts';

/** The exit code, or undefined when nothing was printed and main.ts has to see to it. */
export async function askDaemon([first, ...rest]: readonly string[]): Promise<
  ExitCode | undefined
> {
  const quick = [...listCommands, ...daemonCommands].find(({ word }) => word === first);
  const options = quick && readQuick(quick, rest);
  if (!options) return undefined;
  const frame = createFrame(noDaemonHere, async () =>
    createClient(pathsOf(dataFolder()).socket, version()),
  );
  const { print } = frame;
  let isPrinted = false;
  frame.print = (document) => {
    isPrinted = true;
    return print(document);
  };
  frame.begin(options);
  try {
    await quick.run(frame, options);
    return frame.exitCode;
  } catch (problem) {
    if (isPrinted) throw problem;
    return undefined;
  } finally {
    frame.close();
  }
}

const noDaemonHere = () => Promise.reject(new Error('a quick command runs no daemon'));
