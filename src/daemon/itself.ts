/**
 * What the daemon answers about itself.
 */
import type { daemonRoutes } from '../api/daemon-routes.ts';
import type { Area, DaemonContext } from './area.ts';

export function openItself(context: DaemonContext): Area<keyof typeof daemonRoutes> {
  return {
    handlers: {
      'daemon.hello': () => ({ pid: process.pid }),
      'daemon.status': () => ({
        pid: process.pid,
        version: context.version,
        home: context.paths.home,
        startedAt: context.startedAt,
      }),
      'daemon.stop': () => {
        // After this turn of the loop the answer is on its way; closing waits for it.
        setImmediate(() => context.stop('asked to'));
        return { pid: process.pid };
      },
    },
  };
}
