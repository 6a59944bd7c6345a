/**
 * A command that is not carried out: what is missing, and the command that helps.
 *
 * Refusals are expected outcomes and therefore values. The shell turns them into obstacles of the
 * same code, with the same exit code.
 */

export type RefusalCode =
  | 'not-permitted'
  | 'line-refused'
  | 'wrong-state'
  | 'unknown-id'
  | 'ambiguous-id'
  | 'usage';

export interface Refusal {
  readonly kind: 'refusal';
  readonly code: RefusalCode;
  /** What happened, with the real names. */
  readonly problem: string;
  /** The command to run next, as it would be typed. */
  readonly next: string;
  /** The exit code of `roomtape`: 4 not permitted, 1 wrong state, 2 wrong usage. */
  readonly exit: 1 | 2 | 4;
}

const exits = {
  'not-permitted': 4,
  'line-refused': 4,
  'wrong-state': 1,
  'unknown-id': 2,
  'ambiguous-id': 2,
  usage: 2,
} as const satisfies Record<RefusalCode, 1 | 2 | 4>;

export function refuse(code: RefusalCode, problem: string, next: string): Refusal {
  return { kind: 'refusal', code, problem, next, exit: exits[code] };
}

export function isRefusal(value: unknown): value is Refusal {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'refusal';
}

/** A word of a command line, quoted where a shell would split or change it. */
export function typed(word: string): string {
  if (/^[\p{L}\p{N}._:@/+-]+$/u.test(word)) return word;
  return `'${word.replaceAll("'", "'\\''")}'`;
}
