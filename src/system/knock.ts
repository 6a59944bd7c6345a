/**
 * Whether anybody listens at an address: the cheapest question a network can be asked.
 */
import { createConnection } from 'node:net';

/** Resolves when somebody listens at the host and port of a ws: or wss: URL; rejects with the reason. */
export function knock(url: string, limitMs: number): Promise<void> {
  const { hostname, port, protocol } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = createConnection({
      // Brackets are the URL's way to write an IPv6 address.
      host: hostname.replace(/^\[(.*)\]$/, '$1'),
      port: Number(port) || (protocol === 'wss:' ? 443 : 80),
      timeout: limitMs,
    });
    const end = (give: () => void) => {
      socket.destroy();
      give();
    };
    socket.once('connect', () => end(resolve));
    socket.once('error', (error) => end(() => reject(error)));
    socket.once('timeout', () => end(() => reject(new Error(`nothing answers at ${url}`))));
  });
}
