/**
 * Tags (RFC 9559 §5.1.8) of a file that was cut off: those that count what is no longer there are
 * left out.
 */
import { ByteWriter } from '../byte-writer.ts';
import type { ByteSource } from '../bytes.ts';
import type { Window } from '../window.ts';
import { childrenOf, type Element, element, ids, textOf } from './ebml.ts';

/** What ffmpeg and mkvmerge count for each track. */
const counts = /^(DURATION|BPS|NUMBER_OF_(FRAMES|BYTES)|_STATISTICS_.*)(-.*)?$/;

/** The tags without those that count; nothing when no other is left. */
export function lastingTags(window: Window, source: ByteSource, tags: Element): Uint8Array {
  const kept = new ByteWriter();
  for (const tag of childrenOf(window, tags.body, tags.body + tags.size)) {
    if (tag.id !== ids.Tag) continue;
    const body = new ByteWriter();
    let isLeft = false;
    for (const child of childrenOf(window, tag.body, tag.body + tag.size)) {
      if (child.id === ids.SimpleTag && isCount(window, child)) continue;
      if (child.id === ids.Void || child.id === ids.Crc32) continue;
      isLeft ||= child.id === ids.SimpleTag;
      body.add(source.read(child.at, child.body + child.size - child.at));
    }
    if (isLeft) kept.add(element(ids.Tag, body.take()));
  }
  return kept.length === 0 ? new Uint8Array(0) : element(ids.Tags, kept.take());
}

function isCount(window: Window, simple: Element): boolean {
  for (const child of childrenOf(window, simple.body, simple.body + simple.size)) {
    if (child.id === ids.TagName) return counts.test(textOf(window, child));
  }
  return false;
}
