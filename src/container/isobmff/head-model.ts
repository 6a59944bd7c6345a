/**
 * A model made from the head of a file that nobody has a reference for: its pictures, and what lies
 * between them.
 */
import type { ByteSource } from '../bytes.ts';
import { guessSound, soundTracks } from './guessed-sound.ts';
import type { HeadSurvey } from './head-survey.ts';
import { type MediaModel, plainTrack, type TrackModel } from './media-model.ts';
import { findSchedule, type Gap } from './packet-schedule.ts';
import { unknownCodec, unknownSoundLayout } from './sample-entry-writer.ts';

/** Set-up stands at the beginning; some seconds of the highest rates fit in so many bytes. */
export const headBytes = 8 * 1024 * 1024;

/** What helps to guess. */
export interface GuessHints {
  /** Sizes of pictures in files of the same folder. */
  readonly sizes: readonly (readonly [width: number, height: number])[];
  /** QuickTime's recorders write PCM, others do not. */
  readonly isQuickTime: boolean;
}

/**
 * A model of pictures, and of the sound that lies between them. Pictures whose sound is of a kind that
 * nobody recognises are had without it.
 */
export function modelOfHead(
  source: ByteSource,
  survey: HeadSurvey,
  video: TrackModel,
  frameRate: number,
  hints: GuessHints,
): MediaModel {
  const guess = guessSound(source, survey.runs, hints.isQuickTime);
  const sounds = soundTracks(guess, survey, frameRate);
  if (sounds.length === 0) return withUnknownSound(survey, video);
  const [sound] = sounds;
  const tracks = (sound &&
    sounds.length === 1 &&
    onSchedule(source, survey, video, sound, frameRate)) || [video, ...sounds];
  return { timescale: 1000, writer: null, tracks };
}

/** Whether sound lies between the pictures of a model that nobody recognised. */
export function hasUnknownSound({ tracks }: MediaModel): boolean {
  return tracks.some(({ layout }) => layout.entry.codec === unknownCodec);
}

/** Pictures, and between them what nobody recognised. */
export function withUnknownSound({ runs }: HeadSurvey, video: TrackModel): MediaModel {
  const layout = runs.length > 0 ? unknownSoundLayout(2) : null;
  const largestSample = Math.max(0, ...runs.map(({ at, end }) => end - at));
  const unknown = layout ? [{ ...plainTrack(layout), largestSample }] : [];
  return { timescale: 1000, writer: null, tracks: [video, ...unknown] };
}

/** Opus beside pictures of a constant rate: both on the schedule that cuts it into packets best. */
function onSchedule(
  source: ByteSource,
  { pictures, runs }: HeadSurvey,
  video: TrackModel,
  sound: TrackModel,
  frameRate: number,
): TrackModel[] | null {
  const [first] = pictures;
  if (!first || sound.layout.entry.codec !== 'opus') return null;
  const { bytes, gaps } = gapsBetween(
    source,
    pictures,
    Math.min(first.at, runs[0]?.at ?? first.at),
  );
  const { channels } = sound.layout.entry;
  const schedule = findSchedule(bytes, gaps, channels, frameRate);
  if (!schedule) return null;
  const { rate, packetTicks, meanBytes, headStart } = schedule;
  const [least, most] = headStart;
  const packet = packetTicks / sound.layout.timescale;
  // Where sound is written well ahead of the first picture, that picture is later.
  const shownFrom = least > latestAtOnce ? least - sound.skipped : 0;
  const timed = {
    ...video,
    layout: { ...video.layout, timescale: rate.timescale },
    usualDuration: rate.ticks,
    constantRate: true,
    shownFrom,
    // Less and more what packetsByClock allows for: here the order is exact.
    late: shownFrom + sound.skipped - least - 0.02 * packet,
    early: shownFrom + sound.skipped - most + 0.08 * packet,
  };
  return [timed, { ...sound, usualDuration: packetTicks, meanSample: meanBytes }];
}

// Far more than a minute of sound has between pictures; longer gaps are damage.
const mostGapBytes = 8 * 1024 * 1024;

/** What lies in front of each picture, put together without the pictures. */
function gapsBetween(
  source: ByteSource,
  pictures: HeadSurvey['pictures'],
  from: number,
): { readonly bytes: Uint8Array; readonly gaps: readonly Gap[] } {
  const parts: Uint8Array[] = [];
  const gaps: Gap[] = [];
  let [behind, used] = [from, 0];
  for (const { at, end } of pictures) {
    if (used + at - behind > mostGapBytes) break;
    parts.push(source.read(behind, at - behind).slice());
    gaps.push([used, used + at - behind]);
    used += at - behind;
    behind = end;
  }
  const bytes = new Uint8Array(used);
  for (const [place, part] of parts.entries()) bytes.set(part, gaps[place]?.[0]);
  return { bytes, gaps };
}

// A muxer writes this much sound, in seconds, before a picture of the same time.
const latestAtOnce = 0.045;
