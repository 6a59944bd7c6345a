/**
 * The route about coverage: which minutes of which room of a session were recorded.
 */
import { z } from 'zod';
import type { Coverage } from '../session/coverage.ts';
import { route } from './route.ts';

export interface CoverageView extends Coverage {
  readonly session: { readonly id: string; readonly topic: string };
}

export const coverageRoutes = {
  'session.coverage': route(
    z.strictObject({ session: z.exactOptional(z.string().min(1).max(300)) }),
  ).answers<CoverageView>(),
};
