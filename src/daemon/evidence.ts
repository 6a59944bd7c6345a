/**
 * Gathers the evidence of a recording from journal, session and catalogue.
 */
import type { EvidenceBundle } from '../api/line-routes.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { ListedRecording } from '../catalogue/recording-table.ts';
import { genesis, signHead } from '../session/audit.ts';
import { type EvidenceEntry, type EvidenceLine, evidenceFiles } from '../session/evidence.ts';
import type { Recording, SessionState } from '../session/state.ts';
import { rowOf } from '../session/table.ts';
import type { Identity } from '../system/keys.ts';

export interface EvidenceSource {
  readonly catalogue: Catalogue;
  readonly identity: Identity;
  readonly now: number;
  /** The recording as the catalogue lists it. */
  readonly listed: ListedRecording;
  readonly state: SessionState;
  readonly recording: Recording;
  readonly steps: readonly string[];
}

export function evidenceBundle(source: EvidenceSource): EvidenceBundle {
  const { catalogue, identity, now, listed, state, recording, steps } = source;
  const about = [recording.id, ...listed.takes.map((take) => take.id)];
  const entries: EvidenceEntry[] = [];
  let before = genesis;
  for (const { seq, at, type, text: body, hash, session } of catalogue.journal.entries()) {
    const shown = session === state.id || about.some((id) => body.includes(id));
    // What came before the session is vouched for by the link it ends in.
    if (entries.length === 0 && !shown) before = hash;
    else entries.push({ seq, at, type, body, hash, shown });
  }
  const { seq, hash } = catalogue.journal.head;
  const head = { seq, hash, at: Math.round(now) };
  const files = evidenceFiles({
    recording: recording.id,
    steps,
    detail: `${JSON.stringify({ recording, listed }, null, 1)}\n`,
    before,
    entries,
    head,
    signature: signHead(head, identity.privateKey),
    key: identity.key,
    lines: linesBehind(state, recording, catalogue),
  });
  return {
    recording: recording.id,
    files: files.map(({ name, content, executable = false }) => ({
      name,
      base64: Buffer.from(content).toString('base64'),
      executable,
    })),
    media: listed.takes.flatMap(({ path, recoveredPath }) =>
      recoveredPath === null ? [path] : [path, recoveredPath],
    ),
  };
}

function linesBehind(
  state: SessionState,
  { permission, participant }: Recording,
  catalogue: Catalogue,
): EvidenceLine[] {
  const lines: EvidenceLine[] = [];
  const [joined] = catalogue.journal.read({ after: 0, limit: 1, session: state.id });
  const invitation = (joined?.body as { line?: unknown } | undefined)?.line;
  if (typeof invitation === 'string') lines.push({ name: 'invitation', line: invitation });
  const grant = permission.kind === 'grant' ? rowOf(state.grants, permission.grant) : undefined;
  if (grant?.line !== undefined) lines.push({ name: 'grant', line: grant.line });
  const cohost = grant?.via === undefined ? participant : grant.by;
  const delegated = grant?.via !== undefined || permission.kind === 'co-host';
  const delegation = delegated ? rowOf(state.cohosts, cohost)?.line : undefined;
  if (delegation !== undefined) lines.push({ name: 'delegation', line: delegation });
  return lines;
}
