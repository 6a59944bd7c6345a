/**
 * Routes about the recorders that Roomtape can speak to, and about what could cost a recording.
 */
import { z } from 'zod';
import { route } from './route.ts';

export interface RecorderView {
  readonly name: string;
  readonly kind: 'obs' | 'screen';
  /** unreachable, idle, starting, recording, paused, stopping, stopped, lost */
  readonly state: string;
  /** Why it is unreachable or lost; else empty. */
  readonly detail: string;
  /** The file it writes or has written last. */
  readonly path: string | null;
  /** Where its files go. */
  readonly folder: string | null;
  /** What it is: `OBS 29.0.2, obs-websocket 5.1.0`, `:0 with 1 microphone`. */
  readonly about: string | null;
  readonly bytes: number | null;
  readonly recordedMs: number | null;
  /** The one that `record` drives when none is named. */
  readonly isFirst: boolean;
}

export interface DeviceView {
  readonly kind: 'screen' | 'microphone' | 'camera';
  readonly id: string;
  readonly label: string;
}

export interface FindingView {
  readonly id: string;
  readonly level: 'blocks' | 'warning';
  readonly text: string;
  readonly reason: string;
  readonly remedy: string;
  readonly fixable: boolean;
}

export interface PreflightView {
  readonly recorder: string | null;
  readonly folder: string | null;
  readonly findings: readonly FindingView[];
  /** What `fix` has changed, one sentence each. */
  readonly fixed: readonly string[];
}

const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'a recorder is named by letters, digits and hyphens');
const environment = z.record(z.string().max(64), z.string().max(4096));

export const recorderRoutes = {
  'recorder.addObs': route(
    z.strictObject({
      name: name.optional(),
      url: z
        .string()
        .regex(/^wss?:\/\/[^\s/]+\/?$/, 'wants ws://HOST:PORT')
        .optional(),
      password: z.string().min(1).max(1024).optional(),
      configFolder: z.string().max(4096).optional(),
    }),
  ).answers<RecorderView>(),
  'recorder.addScreen': route(
    z.strictObject({
      name: name.optional(),
      screen: z.string().max(256).optional(),
      size: z
        .string()
        .regex(/^\d{2,5}x\d{2,5}$/, 'wants WIDTHxHEIGHT')
        .optional(),
      frameRate: z.number().int().min(1).max(120).default(30),
      /** Absent: the system's default microphone; empty: none. */
      microphones: z.array(z.string().max(512)).max(8).optional(),
      folder: z.string().max(4096).optional(),
      environment,
    }),
  ).answers<RecorderView>(),
  'recorder.list': route(z.strictObject({})).answers<readonly RecorderView[]>(),
  'recorder.remove': route(z.strictObject({ name: z.string() })).answers<RecorderView>(),
  'recorder.devices': route(z.strictObject({ environment })).answers<readonly DeviceView[]>(),
  'preflight.run': route(
    z.strictObject({
      room: z.string().max(256).optional(),
      participant: z.string().max(256).optional(),
      recorder: z.string().max(64).optional(),
      plannedMs: z
        .number()
        .positive()
        .max(1e9)
        .default(2 * 3_600_000),
      fix: z.boolean().default(false),
    }),
  ).answers<PreflightView>(),
};
