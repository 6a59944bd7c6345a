/**
 * Routes about watched folders.
 */
import { z } from 'zod';
import { route } from './route.ts';

/** A watched folder as `watch list` shows it. */
export interface FolderView {
  readonly path: string;
  /** Id of the recorder profile; null: told by the files. */
  readonly recorder: string | null;
  /** Whose files it holds; null: this machine's person's. */
  readonly participant: string | null;
  readonly state: 'watched' | 'polled' | 'missing';
  readonly folders: number;
  readonly files: number;
  readonly problem: string | null;
}

export interface SuggestionView {
  readonly path: string;
  readonly recorder: string;
  readonly watched: boolean;
}

const path = z.string().min(1).max(4096);

export const watchRoutes = {
  'watch.add': route(
    z.strictObject({
      path,
      recorder: z.string().max(64).optional(),
      participant: z.string().max(200).optional(),
    }),
  ).answers<FolderView>(),
  'watch.list': route(z.strictObject({})).answers<readonly FolderView[]>(),
  'watch.remove': route(z.strictObject({ path })).answers<{ readonly path: string }>(),
  'watch.suggest': route(z.strictObject({})).answers<readonly SuggestionView[]>(),
};
