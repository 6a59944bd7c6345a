/**
 * Asks the daemon, over its Unix socket or named pipe.
 *
 * Speaks HTTP/1.0 on `node:net`: one request per connection, the answer ends where the connection
 * ends. `node:http` would cost every command 4 ms more to load. Types come from the contract; no
 * schema is loaded here. An answer is trusted because the daemon is the same version of the same
 * package, which each answer's header proves.
 */
import { createConnection, type Socket } from 'node:net';
import { obstacleCode, RoomtapeError } from '../errors.ts';
import type { RouteAnswer, RouteInput, RouteName } from './contract.ts';
import type { DaemonEvent } from './events.ts';

export interface Client {
  /** Asks one thing. Throws what the daemon refused as the same RoomtapeError. */
  call<R extends RouteName>(route: R, input: RouteInput<R>): Promise<RouteAnswer<R>>;
  /** What happens from now on, until the signal is aborted or the daemon ends. */
  events(signal?: AbortSignal): AsyncIterable<DaemonEvent>;
}

/** Nobody listens at the socket: the daemon is down. */
export class DaemonDown extends Error {
  constructor(cause: unknown) {
    super('no daemon listens', { cause });
    this.name = 'DaemonDown';
  }
}

export function createClient(socketPath: string, version: string): Client {
  const ask = async (route: string, input: unknown): Promise<unknown> => {
    const body = Buffer.from(JSON.stringify(input ?? {}));
    const head =
      `POST /v1/${route} HTTP/1.0\r\nHost: roomtape\r\nRoomtape-Version: ${version}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
    const answer = await exchange(socketPath, Buffer.concat([Buffer.from(head), body]));
    return bodyOf(answer, version);
  };
  return {
    call: (route, input) => ask(route, input) as Promise<RouteAnswer<typeof route>>,
    events: (signal) => readEvents(socketPath, version, signal),
  };
}

/** Sends a request and gives back all that was answered. */
function exchange(socketPath: string, request: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = createConnection(socketPath);
    let connected = false;
    socket.once('connect', () => {
      connected = true;
    });
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.once('end', () => resolve(Buffer.concat(chunks)));
    socket.once('error', (error) => {
      reject(connected ? endedEarly(error) : cannotConnect(socketPath, error));
    });
    socket.write(request);
  });
}

function connect(socketPath: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(socketPath);
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', (error) => reject(cannotConnect(socketPath, error)));
  });
}

function cannotConnect(socketPath: string, error: NodeJS.ErrnoException): Error {
  const down = ['ENOENT', 'ECONNREFUSED', 'ENOTDIR', 'ECONNRESET'].includes(error.code ?? '');
  return down ? new DaemonDown(error) : notReachable(socketPath, error);
}

function notReachable(socketPath: string, error: NodeJS.ErrnoException): RoomtapeError {
  const problem = `The daemon's socket ${socketPath} cannot be reached: ${error.message}.`;
  return new RoomtapeError('no-daemon', problem, { next: 'roomtape doctor', cause: error });
}

function endedEarly(cause?: unknown): RoomtapeError {
  return new RoomtapeError('no-daemon', 'The daemon ended before it answered.', {
    next: 'roomtape status',
    cause,
  });
}

/** What an HTTP answer says, once the connection has ended. */
function bodyOf(bytes: Buffer, version: string): unknown {
  const split = bytes.indexOf('\r\n\r\n');
  if (split < 0) throw endedEarly();
  const head = readHead(bytes.toString('latin1', 0, split));
  const body: unknown = parseJson(bytes.toString('utf8', split + 4));
  if (head.status === 200 && head.complete(bytes.length - split - 4)) return body;
  throw refusal(body, head, version);
}

interface Head {
  readonly status: number;
  readonly version: string;
  complete(bodyLength: number): boolean;
}

function readHead(text: string): Head {
  const field = (name: string) => new RegExp(`^${name}:\\s*(.*?)\\s*$`, 'im').exec(text)?.[1];
  const length = Number(field('content-length') ?? Number.NaN);
  return {
    status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? 0),
    version: field('roomtape-version') ?? '',
    complete: (bodyLength) => Number.isNaN(length) || length === bodyLength,
  };
}

function refusal(body: unknown, head: Head, version: string): RoomtapeError {
  if (head.status === 200) return endedEarly();
  if (head.version !== version && head.status === 426) return otherVersion(head.version, version);
  const error = field(body, 'error');
  const problem = field(error, 'message');
  const next = field(error, 'next');
  if (typeof problem !== 'string') {
    return new RoomtapeError('failed', `The daemon answered with status ${head.status}.`, {
      next: 'roomtape logs',
    });
  }
  return new RoomtapeError(
    obstacleCode(field(error, 'code')),
    problem,
    typeof next === 'string' ? { next } : {},
  );
}

function otherVersion(daemon: string, command: string): RoomtapeError {
  return new RoomtapeError(
    'daemon-newer',
    `The running daemon is Roomtape ${daemon || 'of another version'}; this command is ${command}.`,
    { next: 'roomtape down && roomtape up' },
  );
}

const field = (body: unknown, name: string): unknown =>
  typeof body === 'object' && body !== null
    ? (body as Readonly<Record<string, unknown>>)[name]
    : undefined;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // cut off or not ours: the status decides what is said
  }
}

async function* readEvents(
  socketPath: string,
  version: string,
  signal?: AbortSignal,
): AsyncIterable<DaemonEvent> {
  const request = `GET /v1/events HTTP/1.0\r\nHost: roomtape\r\nRoomtape-Version: ${version}\r\n\r\n`;
  const socket = await connect(socketPath);
  const stop = () => socket.destroy();
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop();
  try {
    socket.write(request);
    yield* eventsIn(socket, version);
  } catch (cause) {
    if (cause instanceof RoomtapeError) throw cause;
    if (!signal?.aborted) throw endedEarly(cause);
  } finally {
    signal?.removeEventListener('abort', stop);
    socket.destroy();
  }
}

async function* eventsIn(socket: Socket, version: string): AsyncIterable<DaemonEvent> {
  let head: Head | undefined;
  let rest = Buffer.alloc(0);
  for await (const chunk of socket) {
    rest = Buffer.concat([rest, chunk]);
    if (!head) {
      const split = rest.indexOf('\r\n\r\n');
      if (split < 0) continue;
      head = readHead(rest.toString('latin1', 0, split));
      rest = rest.subarray(split + 4);
    }
    if (head.status !== 200) continue;
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      const data = /^data: ?(.*)$/m.exec(rest.toString('utf8', 0, end))?.[1];
      rest = rest.subarray(end + 2);
      const event = data === undefined ? undefined : parseJson(data);
      if (event !== undefined) yield event as DaemonEvent;
    }
  }
  if (head && head.status !== 200) throw refusal(parseJson(rest.toString('utf8')), head, version);
}
