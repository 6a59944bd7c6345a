/**
 * MP4, QuickTime and M4A: the ISO base media file format, with or without its index.
 */
import type { ByteSource } from '../bytes.ts';
import type { Diagnosis } from '../diagnosis.ts';
import type {
  ContainerFormat,
  DiagnoseContext,
  FileFollower,
  ReferenceProfile,
  RepairContext,
} from '../format.ts';
import type { RepairOutcome } from '../repair-plan.ts';
import { isFileBox } from './boxes.ts';
import { falseClaims } from './claims.ts';
import { fourcc, u32 } from './fields.ts';
import { outline, readIndex } from './file-index.ts';
import { containerOf, fileState, limited, withHolesTold, zeroTailFrom } from './file-state.ts';
import { withLostFragments } from './lost-fragments.ts';
import { findHoles, listedBy } from './media-holes.ts';
import { modelOf } from './media-model.ts';
import { profileOf } from './profile.ts';
import { noRepair, planFor, rescueByIndex, withoutTorn } from './repair.ts';
import { followGrowing, rescueByContent } from './rescue-by-content.ts';

export const isobmff: ContainerFormat = {
  containers: ['mp4', 'mov', 'm4a'],
  recognise,
  diagnose,
  planRepair,
  follow,
  falseClaims,
  profile,
};

function recognise(head: Uint8Array): number {
  if (head.length < 8) return 0;
  const size = u32(head, 0);
  const type = fourcc(head, 4);
  if (type === 'ftyp' && size >= 8) return 95;
  if (!isFileBox(type) || (size !== 0 && size !== 1 && size < 8)) return 0;
  return ['moov', 'mdat', 'wide', 'styp'].includes(type) ? 80 : 40;
}

function diagnose(source: ByteSource, context: DiagnoseContext = {}): Diagnosis {
  return withHolesTold(source, fileState(source), context);
}

function planRepair(source: ByteSource, context: RepairContext): RepairOutcome {
  const { outline: found, diagnosis } = fileState(source);
  const first = diagnosis.damage[0]?.detail ?? '';
  if (diagnosis.verdict === 'empty') return noRepair('empty', first);
  if (diagnosis.verdict === 'beyond-repair') return noRepair('all-zeros', first);
  const container = containerOf(source, found);
  const faststart = context.faststart ?? false;
  const end = zeroTailFrom(source, found.movie);
  const written = limited(source, end);
  const listed = readIndex(written, found, context.progress);
  const completed = listed && withLostFragments(written, listed, context.progress);
  const holes = completed ? findHoles(written, listedBy(completed.index), context.progress) : [];
  if (diagnosis.verdict === 'whole' && holes.length === 0 && !completed?.added) {
    return noRepair('whole', 'The file is whole.');
  }
  if (completed) {
    const rescued = rescueByIndex(written, found, completed, holes, context);
    if (rescued.tracks.length > 0) return planFor(source, rescued, container, faststart);
    const hasMedia = found.media.length > 0;
    if (!hasMedia) return noRepair('empty', 'The file has an index and no media.');
  }
  if (!found.media.some(({ from }) => from < end) && end < source.size) {
    const detail = `The ${source.size - end} bytes behind byte ${end} are all zero: they were never written to the disk.`;
    return noRepair('all-zeros', detail);
  }
  const rescued = rescueByContent(written, found, context);
  if ('kind' in rescued) return rescued;
  const complete = withoutTorn(written, rescued, context.progress);
  if (complete.tracks.length === 0)
    return noRepair('nothing-found', 'No sample in it is complete.');
  return planFor(source, complete, container, faststart);
}

function follow(source: ByteSource, context: RepairContext): FileFollower | null {
  return followGrowing(source, outline(source), context);
}

function profile(source: ByteSource, path: string): ReferenceProfile | null {
  const { outline: found, diagnosis } = fileState(source);
  if (diagnosis.verdict !== 'whole' || found.movie?.encrypted) return null;
  const index = readIndex(source, found);
  if (!index || index.tracks.every(({ samples }) => samples.count === 0)) return null;
  return profileOf(modelOf(index), diagnosis.container, path);
}
