/**
 * Zoom's pre-assignment file: which email goes to which breakout room.
 *
 * The header should be `Pre-assign Room Name,Email Address`, but vendors and spreadsheets write it in
 * many ways: it is read leniently, with any of three separators and in either order. The file is
 * foreign: it is bounded, and whatever cannot be used is named by its line.
 */
import { folded, limits } from './state.ts';

export interface Assignments {
  readonly rooms: readonly { readonly name: string; readonly emails: readonly string[] }[];
  /** What was left out or changed, by line from 1. */
  readonly notes: readonly { readonly line: number; readonly problem: string }[];
}

const most = { characters: 1_000_000, rows: 10_000, cells: 16, notes: 100 } as const;

/** Reads the text of a pre-assignment file; never throws, whatever is in it. */
export function parsePreAssignment(text: string): Assignments {
  const notes: { line: number; problem: string }[] = [];
  const note = (line: number, problem: string) => {
    if (notes.length < most.notes) notes.push({ line, problem });
  };
  if (text.length > most.characters) {
    note(1, `The file is longer than ${most.characters} characters; the rest was left out.`);
  }
  const rows = parseRows(text.slice(0, most.characters).replace(/^\uFEFF/, ''));
  if (rows.length >= most.rows) note(most.rows, 'Further lines were left out.');
  const columns = columnsOf(rows[0]?.cells ?? []);
  const rooms = new Map<string, { name: string; emails: string[] }>();
  const seen = new Set<string>();
  for (const { cells, line } of columns.headed ? rows.slice(1) : rows) {
    const name = roomName(cells[columns.room] ?? '');
    const email = (cells[columns.email] ?? '').trim();
    if (name === '' && email === '') continue;
    if (name === '') note(line, 'No room is named.');
    else if (email !== '' && !/^[^\s@]{1,64}@[^\s@]{1,190}$/.test(email)) {
      note(line, `“${email.slice(0, 60)}” is no email address.`);
    } else if (seen.has(folded(email))) note(line, `${email} was already assigned.`);
    else if (!rooms.has(folded(name)) && rooms.size >= limits.rooms) {
      note(line, `More than ${limits.rooms} rooms.`);
    } else {
      const room = rooms.get(folded(name)) ?? { name, emails: [] };
      rooms.set(folded(name), room);
      if (email !== '') {
        seen.add(folded(email));
        room.emails.push(email);
      }
    }
  }
  return { rooms: [...rooms.values()], notes };
}

/** A name cut to what a room may be called. */
export function roomName(text: string): string {
  const clean = text
    .normalize('NFC')
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ')
    .replaceAll(/\s+/g, ' ');
  return [...clean.trim()].slice(0, limits.roomName).join('').trim();
}

function columnsOf(first: readonly string[]): { headed: boolean; room: number; email: number } {
  const words = first.map((cell) => cell.toLowerCase().replaceAll(/[^a-z]/g, ''));
  const room = words.findIndex((word) => word.includes('room'));
  const email = words.findIndex((word) => word.includes('mail'));
  const headed = !first.some((cell) => cell.includes('@')) && (room >= 0 || email >= 0);
  if (headed && room >= 0 && email >= 0) return { headed, room, email };
  const atSign = first.findIndex((cell) => cell.includes('@'));
  const guessed = headed ? Math.max(email, room === 1 ? 0 : 1) : Math.max(atSign, 0);
  return atSign < 0 && !headed
    ? { headed: false, room: 0, email: 1 }
    : { headed, room: guessed === 0 ? 1 : 0, email: guessed };
}

interface Row {
  readonly cells: string[];
  readonly line: number;
}

/** RFC 4180, with `;` and tab as separators too where the first line has more of them. */
function parseRows(text: string): Row[] {
  const head = text.slice(0, text.search(/[\r\n]|$/));
  const count = (char: string) => head.split(char).length;
  const separator = [',', ';', '\t'].reduce((a, b) => (count(b) > count(a) ? b : a));
  const rows: Row[] = [];
  let cells: string[] = [];
  let cell = '';
  let quoted = false;
  let line = 1;
  let begun = 1;
  const endCell = () => {
    if (cells.length < most.cells) cells.push(cell);
    cell = '';
  };
  const endRow = () => {
    endCell();
    if (cells.some((one) => one.trim() !== '')) rows.push({ cells, line: begun });
    cells = [];
  };
  for (let at = 0; at < text.length && rows.length < most.rows; at++) {
    const char = text.charAt(at);
    if (char === '\n') line++;
    if (quoted) {
      if (char !== '"') cell += char;
      else if (text.charAt(at + 1) === '"') {
        cell += '"';
        at++;
      } else quoted = false;
    } else if (char === '"' && cell.trim() === '') {
      quoted = true;
      cell = '';
    } else if (char === separator) endCell();
    else if (char === '\n' || char === '\r') {
      endRow();
      begun = line;
    } else cell += char;
  }
  if (rows.length < most.rows) endRow();
  return rows;
}
