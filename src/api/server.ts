/**
 * The daemon's local API: hono on a Unix socket or a named pipe.
 *
 * Only this user reaches it (folder 0700, socket 0600). A web page must not either, should anything
 * ever carry its requests here: whatever has an Origin, a Referer or a foreign Host is refused.
 * Bodies are bounded and parsed by the contract before a handler sees them.
 */

import { createServer, type Server } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { streamSSE } from 'hono/streaming';
import type { z } from 'zod';
import { RoomtapeError } from '../errors.ts';
import { contract, type Handlers, type RouteName } from './contract.ts';
import { versionFreeRoutes } from './daemon-routes.ts';
import type { DaemonEvent } from './events.ts';

/** A class list of 1,000 participants is 60 kB; nothing asked here needs more than this. */
const largestBody = 2_000_000;

/** Events a listener may be behind before it is dropped. */
const largestBacklog = 1_000;

export interface ApiOptions {
  readonly version: string;
  readonly handlers: Handlers;
  /** Calls `listener` for every event until the returned function is called. */
  readonly subscribe: (listener: (event: DaemonEvent) => void) => () => void;
  /** Told of every handler that threw something else than a RoomtapeError. */
  readonly onBug: (route: string, problem: unknown) => void;
}

/** Makes the HTTP server; listening is the caller's. */
export function createApi(options: ApiOptions): Server {
  const app = new Hono();
  app.use('*', async (context, next) => {
    context.header('Roomtape-Version', options.version);
    const refused = refuseForeign(context, options.version);
    if (refused) return refused;
    return next();
  });
  app.use('*', bodyLimit({ maxSize: largestBody, onError: (context) => tooLarge(context) }));
  app.post('/v1/:route', (context) => answer(context, options));
  app.get('/v1/events', (context) => sendEvents(context, options));
  app.notFound((context) => refuse(context, 404, 'usage', `There is no ${context.req.path} here.`));
  app.onError((problem, context) => {
    options.onBug(context.req.path, problem);
    return refuse(
      context,
      500,
      'failed',
      'A mistake in Roomtape ended the request.',
      'roomtape logs',
    );
  });
  // Slow senders: a local command sends its request at once. Node looks every 30 s unless told.
  const listener = getRequestListener(app.fetch);
  const server = createServer({ connectionsCheckingInterval: 2_000 }, listener);
  server.headersTimeout = 5_000;
  server.requestTimeout = 10_000;
  server.keepAliveTimeout = 1_000;
  server.maxHeadersCount = 50;
  return server;
}

function refuseForeign(context: Context, version: string): Response | undefined {
  const header = (name: string) => context.req.header(name);
  if (header('origin') !== undefined || header('referer') !== undefined) {
    return refuse(context, 403, 'usage', 'Requests from web pages are refused.');
  }
  if (header('host') !== 'roomtape') {
    return refuse(context, 403, 'usage', 'Requests to a foreign host are refused.');
  }
  const caller = header('roomtape-version');
  const free = versionFreeRoutes.some((route) => context.req.path === `/v1/${route}`);
  if (!free && caller !== version) {
    const problem = `This daemon is Roomtape ${version}.`;
    return refuse(context, 426, 'daemon-newer', problem, 'roomtape down && roomtape up');
  }
  return undefined;
}

async function answer(context: Context, options: ApiOptions): Promise<Response> {
  const name = context.req.param('route') ?? '';
  if (!isRoute(name)) return refuse(context, 404, 'usage', `There is no route ${name}.`);
  if (context.req.header('content-type') !== 'application/json') {
    return refuse(context, 415, 'usage', 'The body must be JSON.');
  }
  let body: unknown;
  try {
    body = JSON.parse(await context.req.text());
  } catch {
    return refuse(context, 400, 'usage', 'The body is not JSON.');
  }
  const schema: z.ZodType = contract[name].input;
  const parsed = schema.safeParse(body);
  if (!parsed.success) return refuse(context, 400, 'usage', sentences(parsed.error));
  try {
    // The schema has just made the handler's input; the table's types cannot follow a name at run time.
    const handle = options.handlers[name] as (input: unknown) => unknown;
    return context.json((await handle(parsed.data)) ?? null);
  } catch (problem) {
    if (!(problem instanceof RoomtapeError)) throw problem;
    return refuse(context, 422, problem.code, problem.message, problem.next);
  }
}

const isRoute = (name: string): name is RouteName => Object.hasOwn(contract, name);

function sentences(error: z.ZodError): string {
  return error.issues
    .slice(0, 3)
    .map((issue) => `${issue.path.join('.') || 'input'}: ${issue.message}`)
    .join('; ');
}

function tooLarge(context: Context): Response {
  return refuse(context, 413, 'too-large', `The request is larger than ${largestBody} bytes.`);
}

function refuse(
  context: Context,
  status: 400 | 403 | 404 | 413 | 415 | 422 | 426 | 500,
  code: string,
  message: string,
  next?: string,
): Response {
  return context.json({ error: { code, message, ...(next ? { next } : {}) } }, status);
}

function sendEvents(context: Context, options: ApiOptions): Response {
  return streamSSE(context, async (stream) => {
    const waiting: DaemonEvent[] = [];
    let wake: (() => void) | undefined;
    let open = true;
    const unsubscribe = options.subscribe((event) => {
      waiting.push(event);
      if (waiting.length > largestBacklog) open = false;
      wake?.();
    });
    stream.onAbort(() => {
      open = false;
      wake?.();
    });
    try {
      await stream.write(': listening\n\n');
      while (open) {
        const event = waiting.shift();
        if (event) await stream.writeSSE({ data: JSON.stringify(event) });
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    } finally {
      unsubscribe();
    }
  });
}
