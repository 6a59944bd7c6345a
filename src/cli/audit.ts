/**
 * `roomtape audit` and `audit verify`: the journal as a hash chain that anybody can check.
 */
import type { Command } from 'commander';
import { exitCodes } from '../errors.ts';
import type { AuditEntry } from '../session/audit.ts';
import { aboutSession, given } from './doing.ts';
import type { Frame } from './frame.ts';
import { moment, visible } from './output.ts';
import { readSmallFile } from './participant.ts';

const largestTrail = 500_000_000;

export function defineCommands(program: Command, frame: Frame): void {
  const audit = program.command('audit').description('The journal as a hash chain.');
  aboutSession(
    audit
      .command('print', { isDefault: true })
      .description('Prints the journal as a hash chain whose head is signed.')
      .option('--file <file>', 'write it to a new file, for audit verify'),
  ).action((options: { session?: string; file?: string }) => print(frame, options));
  audit
    .command('verify')
    .description('Finds every altered, removed or reordered entry of a printed journal.')
    .argument('<file>', 'as written by audit --file, or audit --json')
    .option('--key <key>', 'the public key that must have signed it')
    .action((file: string, options: { key?: string }) => verify(frame, file, options.key));
}

async function print(
  frame: Frame,
  { session, file }: { session?: string; file?: string },
): Promise<void> {
  const client = await frame.client();
  const trail = await client.call('audit.trail', given({ session }));
  const { trailText } = await import('../session/audit.ts');
  if (file !== undefined) {
    const { writeNew } = await import('./new-file.ts');
    writeNew(file, trailText(trail), 'roomtape audit --file ANOTHER-FILE');
  }
  const { entries, ...rest } = trail;
  await frame.print({
    results: entries,
    more: rest,
    text: () => {
      if (file !== undefined) {
        return `${entries.length} entries are in ${visible(file)}. Check: roomtape audit verify ${visible(file)}`;
      }
      const head = `head   ${trail.head.seq}  ${trail.head.hash}`;
      const signed = `signed by ${trail.key}: ${trail.signature}`;
      return [...entries.map(entryText), head, signed].join('\n');
    },
  });
}

function entryText(entry: AuditEntry): string {
  const hash = entry.hash.slice(0, 12);
  if (!('body' in entry)) return `${entry.seq}  ${hash}  (of another session)`;
  return `${entry.seq}  ${hash}  ${moment(entry.at)}  ${entry.type}  ${visible(entry.body)}`;
}

async function verify(frame: Frame, file: string, key: string | undefined): Promise<void> {
  const text = await readSmallFile(file, largestTrail);
  const { spokenFinding, verifyTrail } = await import('../session/audit.ts');
  const { fingerprint } = await import('../session/fingerprint.ts');
  const verdict = verifyTrail(asLines(text), key);
  const holds = verdict.findings.length === 0;
  if (!holds) frame.exitCode = exitCodes.damage;
  const said = verdict.findings.map((finding) => ({ ...finding, text: spokenFinding(finding) }));
  await frame.print({
    results: [{ path: file, holds, ...verdict, findings: said }],
    text: (paint) => {
      if (!holds) return said.map((one) => paint('red', one.text)).join('\n');
      const who = verdict.key === undefined ? '' : `, signed by ${fingerprint(verdict.key)}`;
      return `${verdict.entries} entries, ${verdict.shown} shown in full: the chain holds${who}.`;
    },
  });
}

/** `audit --json` is one document; what is verified is one value a line. */
function asLines(text: string): string {
  if (!text.startsWith('{"schemaVersion"')) return text;
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    // Then it is neither form, and the verdict will say so line by line.
    return text;
  }
  const { key, results, head, signature } = document as Record<string, unknown>;
  const parts = [{ key }, ...(Array.isArray(results) ? results : []), { head, signature }];
  return parts.map((part) => JSON.stringify(part)).join('\n');
}
