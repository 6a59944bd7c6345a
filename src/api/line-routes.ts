/**
 * Routes about signed lines, this machine's identity and the journal's audit.
 */
import { z } from 'zod';
import type { AuditTrail } from '../session/audit.ts';
import { instant } from '../session/ids.ts';
import type { Done, OutgoingLine } from './people-routes.ts';
import { route } from './route.ts';

const word = z.string().min(1).max(300);
const some = <Schema extends z.ZodType>(schema: Schema) => z.exactOptional(schema);
const which = { session: some(word) };
const text = z.string().max(1_900_000);
const at = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER).transform(instant);

/** What became of one line. */
export interface AcceptedLine {
  /** What it is, or `unknown` when it could not be read. */
  readonly kind: string;
  readonly accepted: boolean;
  readonly session: string | null;
  readonly told: readonly string[];
  /** Why it was refused, and the next command. */
  readonly problem: string | null;
  readonly next: string | null;
  /** What is to be sent back. */
  readonly lines: readonly OutgoingLine[];
}

export interface IdentityView {
  /** Ed25519 public key, base64url. */
  readonly key: string;
  /** The same in words, to be compared by voice. */
  readonly fingerprint: string;
  readonly name: string | null;
  readonly folder: string;
}

/** A bundle of evidence without its media files. */
export interface EvidenceBundle {
  readonly recording: string;
  readonly files: readonly {
    readonly name: string;
    readonly base64: string;
    readonly executable: boolean;
  }[];
  /** To be put beside them: originals and recovered files. */
  readonly media: readonly string[];
}

export const lineRoutes = {
  'line.accept': route(
    z.strictObject({
      text,
      name: some(word),
      trustNewKey: some(z.boolean()),
    }),
  ).answers<readonly AcceptedLine[]>(),
  /** Takes a request line down and answers it at once. */
  'line.answer': route(
    z.strictObject({
      text,
      ...which,
      as: some(word),
      answer: z.enum(['granted', 'denied']),
      from: some(at),
      until: some(at),
      forMs: some(z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER)),
    }),
  ).answers<Done>(),
  /** The lines that let somebody join: the invitation, and rooms that did not fit into it. */
  'line.invitation': route(z.strictObject(which)).answers<readonly OutgoingLine[]>(),
  /** What is withdrawn, as lines; nothing when nothing withdrawn would still hold. */
  'line.revocations': route(z.strictObject(which)).answers<readonly OutgoingLine[]>(),
  'identity.show': route(z.strictObject({})).answers<IdentityView>(),
  'identity.export': route(z.strictObject({})).answers<{ readonly pem: string }>(),
  'identity.import': route(z.strictObject({ pem: z.string().max(10_000) })).answers<IdentityView>(),
  'identity.rotate': route(z.strictObject({})).answers<IdentityView>(),
  'audit.trail': route(
    z.strictObject({ ...which, after: some(z.number().int().nonnegative()) }),
  ).answers<AuditTrail>(),
  'recording.evidence': route(z.strictObject({ recording: word })).answers<EvidenceBundle>(),
};
