/**
 * AMF0: the notation of FLV's metadata (Action Message Format 0, §2).
 */
import type { ByteWriter } from '../byte-writer.ts';
import type { Window } from '../window.ts';

export type AmfValue = number | boolean | string | null | AmfObject | readonly AmfValue[];
export type AmfObject = Map<string, AmfValue>;

const deepest = 8;
const mostEntries = 100_000;

interface Read {
  readonly value: AmfValue;
  readonly end: number;
}

/** Reads the value at `at`; null when it is cut off, nested too deep, or of an unknown kind. */
export function readAmf(window: Window, at: number, depth = 0): Read | null {
  if (depth > deepest) return null;
  const kind = window.u8(at);
  const body = at + 1;
  switch (kind) {
    case 0: {
      const bytes = window.bytes(body, 8);
      if (bytes.length < 8) return null;
      return {
        value: new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0),
        end: body + 8,
      };
    }
    case 1:
      return { value: window.u8(body) === 1, end: body + 1 };
    case 2:
      return readText(window, body, window.u16(body), 2);
    case 3:
      return readObject(window, body, depth);
    case 5:
    case 6:
      return { value: null, end: body };
    case 8:
      return readObject(window, body + 4, depth);
    case 10:
      return readArray(window, body, depth);
    case 11:
      return { value: null, end: body + 10 };
    case 12:
      return readText(window, body, window.u32(body), 4);
    default:
      return null;
  }
}

function readText(window: Window, at: number, length: number, prefix: number): Read | null {
  if (length < 0 || length > 65_536 || at + prefix + length > window.end) return null;
  let value = '';
  for (const byte of window.bytes(at + prefix, length)) value += String.fromCharCode(byte);
  return { value, end: at + prefix + length };
}

function readObject(window: Window, from: number, depth: number): Read | null {
  const value: AmfObject = new Map();
  let at = from;
  for (let count = 0; count < mostEntries; count += 1) {
    const length = window.u16(at);
    if (length < 0) return null;
    if (length === 0 && window.u8(at + 2) === 9) return { value, end: at + 3 };
    const name = readText(window, at, length, 2);
    const entry = name && readAmf(window, name.end, depth + 1);
    if (!name || !entry) return null;
    value.set(String(name.value), entry.value);
    at = entry.end;
  }
  return null;
}

function readArray(window: Window, at: number, depth: number): Read | null {
  const count = window.u32(at);
  if (count < 0 || count > mostEntries) return null;
  const value: AmfValue[] = [];
  let end = at + 4;
  for (let i = 0; i < count; i += 1) {
    const entry = readAmf(window, end, depth + 1);
    if (!entry) return null;
    value.push(entry.value);
    end = entry.end;
  }
  return { value, end };
}

/** Writes a value; objects as the named arrays that FLV writers use. */
export function writeAmf(writer: ByteWriter, value: AmfValue, isTop = true): void {
  if (typeof value === 'number') writer.u8(0).f64(value);
  else if (typeof value === 'boolean') writer.u8(1).u8(value ? 1 : 0);
  else if (typeof value === 'string') {
    if (value.length > 0xffff) writer.u8(12).be(value.length, 4).ascii(value);
    else writer.u8(2).be(value.length, 2).ascii(value);
  } else if (value === null) writer.u8(5);
  else if (value instanceof Map) {
    if (isTop) writer.u8(8).be(value.size, 4);
    else writer.u8(3);
    for (const [name, entry] of value) {
      writer.be(name.length, 2).ascii(name);
      writeAmf(writer, entry, false);
    }
    writer.be(9, 3);
  } else {
    writer.u8(10).be(value.length, 4);
    for (const entry of value) writeAmf(writer, entry, false);
  }
}
