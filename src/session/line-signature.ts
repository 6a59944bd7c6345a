/**
 * Lines signed, found in text, and read back when their signature holds.
 *
 * Only EdDSA with exactly one header is known: whatever names another algorithm, a key or an
 * extension of its own is refused before any signature is looked at.
 */
import type { KeyObject } from 'node:crypto';
import { CompactSign, compactVerify, errors } from 'jose';
import { publicKeyFrom } from './audit.ts';
import {
  type Line,
  lineJson,
  linePrefix,
  longestLine,
  longestPayload,
  parseLineJson,
} from './line.ts';
import { type Refusal, refuse } from './refusal.ts';

/** base64url of `{"alg":"EdDSA"}`, the only header there is. */
const onlyHeader = 'eyJhbGciOiJFZERTQSJ9';

/** Text in which lines are looked for; a whole evening's chat is smaller. */
const longestText = 2_000_000;
const mostLines = 1_000;

/** A line whose signature is that of the key it names. Whose key that is must still be asked. */
export interface SignedLine {
  readonly text: string;
  readonly line: Line;
}

export async function signLine(line: Line, privateKey: KeyObject): Promise<string> {
  const json = new TextEncoder().encode(lineJson(line));
  if (json.length > longestPayload) {
    throw new Error(`a line of ${json.length} bytes was made; ${longestPayload} fit`);
  }
  const jws = await new CompactSign(json).setProtectedHeader({ alg: 'EdDSA' }).sign(privateKey);
  return linePrefix + jws;
}

/** Everything in a text that looks like a line of any version, in its order, each once. */
export function findLines(text: string): string[] {
  const found = new Set<string>();
  // Chats put invisible marks between characters where a long word may be broken.
  const plain = text.slice(0, longestText).replaceAll(/[\u00AD\u200B-\u200D\u2060\uFEFF]/g, '');
  const pattern = /(?<![\w.-])rt\d{1,3}\.[\w-]*(?:\.[\w-]*){0,8}/g;
  for (const match of plain.matchAll(pattern)) {
    if (found.size >= mostLines) break;
    found.add(match[0].replace(/\.+$/, ''));
  }
  return [...found];
}

/** Reads one line and checks that it was signed by the key it names. Never throws. */
export async function readLine(text: string): Promise<SignedLine | Refusal> {
  const shape = checkShape(text);
  if (typeof shape !== 'string') return shape;
  const [, payload = ''] = shape.split('.');
  const line = parseLineJson(Buffer.from(payload, 'base64url').toString('utf8'));
  const key = line && publicKeyFrom(line.key);
  if (!line || !key) {
    const problem = 'This line says nothing that this Roomtape understands.';
    return refused(problem, 'ask for it again, or update Roomtape');
  }
  try {
    await compactVerify(shape, key, { algorithms: ['EdDSA'] });
    return { text, line };
  } catch (cause) {
    if (!(cause instanceof errors.JOSEError)) throw cause;
    const problem = 'The signature of this line is wrong: it was changed on its way.';
    return refused(problem, 'ask for it again');
  }
}

/** The JWS in a line, when its outside is right. */
function checkShape(text: string): string | Refusal {
  const again = 'ask for it again';
  if (text.length > longestLine) {
    const problem = `This line has ${text.length} characters; ${longestLine} are allowed.`;
    return refused(problem, again);
  }
  const version = /^rt(\d{1,3})\./.exec(text)?.[1];
  if (version === undefined) return refused('This is no line of Roomtape.', again);
  if (version !== '1') {
    return refused(
      `This line is of version ${version}; this Roomtape knows version 1.`,
      'update Roomtape',
    );
  }
  const jws = text.slice(linePrefix.length);
  const [header = '', payload = '', signature = '', ...rest] = jws.split('.');
  if (rest.length > 0 || signature.length !== 86 || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(jws)) {
    return refused('This line is not whole.', again);
  }
  if (header !== onlyHeader) {
    const algorithm = algorithmOf(header);
    const problem = algorithm
      ? `This line claims the algorithm “${algorithm.slice(0, 20)}”; only EdDSA is accepted.`
      : 'This line has a header that is not accepted.';
    return refused(problem, again);
  }
  // Other ways to write the same bytes are refused, so that a line has one text only.
  for (const part of [payload, signature]) {
    if (Buffer.from(part, 'base64url').toString('base64url') !== part) {
      return refused('This line is not whole.', again);
    }
  }
  return jws;
}

function algorithmOf(header: string): string | undefined {
  try {
    const json: unknown = JSON.parse(Buffer.from(header, 'base64url').toString('utf8'));
    const { alg } = (json ?? {}) as { alg?: unknown };
    return typeof alg === 'string' && alg !== 'EdDSA' ? alg : undefined;
  } catch {
    // Not even a header: there is no algorithm to name.
    return undefined;
  }
}

function refused(problem: string, next: string): Refusal {
  return refuse('line-refused', problem, next);
}
