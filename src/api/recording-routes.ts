/**
 * Routes about recordings and their takes: list, search, show, and what a person does with one.
 */
import { z } from 'zod';
import { route } from './route.ts';

const word = z.string().min(1).max(300);
const some = <Schema extends z.ZodType>(schema: Schema) => z.exactOptional(schema);
const moment = z.number().int().min(-8.64e15).max(8.64e15);

const filter = {
  session: some(word),
  room: some(word),
  participant: some(word),
  state: some(word),
  verdict: some(word),
  /** ms since 1970. */
  since: some(moment),
  until: some(moment),
};
const page = {
  limit: z.number().int().min(1).max(1_000).default(100),
  /** `next` of the page before. */
  from: some(z.string().max(100)),
};

/** A take as it is listed. */
export interface TakeView {
  readonly id: string;
  readonly path: string;
  readonly verdict: string;
  readonly recoveredPath: string | null;
  readonly durationMs: number | null;
  readonly bytes: number;
  readonly sha256: string | null;
  readonly recorder: string;
  readonly container: string;
  readonly stage: string;
  readonly attribution: string;
  /** The part of the file that is this recording's, where the file spans several rooms. */
  readonly span?: { readonly from: number; readonly to: number };
}

/** A recording as it is listed: the fields that programs rely on, and a few for people. */
export interface RecordingView {
  readonly id: string;
  readonly session: { readonly id: string; readonly topic: string } | null;
  readonly room: {
    readonly id: string;
    readonly number: number | null;
    readonly name: string;
  } | null;
  readonly participant: { readonly id: string; readonly name: string } | null;
  readonly state: string;
  readonly permission: string;
  /** From and to, ms since 1970; the last may be open. */
  readonly intervals: readonly (readonly [number, number | null])[];
  readonly takes: readonly TakeView[];
  readonly startedAt: number;
  readonly endedAt: number | null;
  /** The worst verdict of its takes. */
  readonly verdict: string;
}

export interface RecordingList {
  readonly recordings: readonly RecordingView[];
  /** Where the next page begins; null on the last. */
  readonly next: string | null;
}

/** A take with everything known of it. */
export interface TakeDetail extends TakeView {
  readonly sightedAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly detail: Readonly<Record<string, unknown>>;
}

export interface RecordingDetail extends Omit<RecordingView, 'takes'> {
  readonly takes: readonly TakeDetail[];
  /** How it came to be permitted, one step a line; empty when nobody declared it. */
  readonly proof: readonly string[];
}

/** What a repair or a verification of a take came to. */
export interface TakeRescue {
  readonly id: string;
  /** The fields of `recover` or `verify` on a file. */
  readonly report: Readonly<Record<string, unknown>>;
  readonly exitCode: number;
  readonly next: string | null;
}

export const recordingRoutes = {
  'recording.list': route(z.strictObject({ ...filter, ...page })).answers<RecordingList>(),
  'recording.search': route(
    z.strictObject({ text: z.string().max(1_000), ...filter, ...page }),
  ).answers<RecordingList>(),
  /** By the id of the recording or of one of its takes, or the beginning of one. */
  'recording.show': route(z.strictObject({ id: word })).answers<RecordingDetail>(),
  'take.recover': route(
    z.strictObject({
      id: word,
      overwrite: some(z.boolean()),
      dryRun: some(z.boolean()),
      verify: some(z.boolean()),
      faststart: some(z.boolean()),
      references: some(z.array(z.string().max(4_096)).max(20)),
      folder: some(z.string().max(4_096)),
    }),
  ).answers<TakeRescue>(),
  'take.verify': route(z.strictObject({ id: word })).answers<TakeRescue>(),
  /** Corrects by hand what the take was attributed to. */
  'take.tag': route(
    z.strictObject({ id: word, session: some(word), room: some(word), participant: some(word) }),
  ).answers<RecordingView>(),
};
