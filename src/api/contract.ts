/**
 * What can be asked of the daemon: every route with the schema of its input and the type of its
 * answer. Server and client are both made from this table.
 *
 * The client imports types only, so that a command does not pay for zod (0.14 s). Each area has a
 * file of its own (`daemon-routes.ts`, …) and one line here. A route is called by
 * `POST /v1/<its name>` with its input as JSON.
 */
import type { z } from 'zod';
import { coverageRoutes } from './coverage-routes.ts';
import { daemonRoutes } from './daemon-routes.ts';
import { lineRoutes } from './line-routes.ts';
import { peopleRoutes } from './people-routes.ts';
import { recorderRoutes } from './recorder-routes.ts';
import { recordingRoutes } from './recording-routes.ts';
import { watchRoutes } from './watch-routes.ts';

export const contract = {
  ...daemonRoutes,
  ...recorderRoutes,
  ...peopleRoutes,
  ...watchRoutes,
  ...recordingRoutes,
  ...lineRoutes,
  ...coverageRoutes,
};

export type Contract = typeof contract;
export type RouteName = keyof Contract;
/** What a caller passes: fields with defaults may be left out. */
export type RouteInput<R extends RouteName> = z.input<Contract[R]['input']>;
/** What a handler receives: parsed. */
export type ParsedInput<R extends RouteName> = z.output<Contract[R]['input']>;
export type RouteAnswer<R extends RouteName> = Contract[R] extends {
  readonly answers: (answer: infer Answer) => void;
}
  ? Answer
  : never;

/** One function for each route; the compiler sees that none is missing. */
export type Handlers<R extends RouteName = RouteName> = {
  readonly [Name in R]: (
    input: ParsedInput<Name>,
  ) => RouteAnswer<Name> | Promise<RouteAnswer<Name>>;
};
