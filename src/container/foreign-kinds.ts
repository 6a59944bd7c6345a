/**
 * Files that Roomtape does not read and can name all the same: what they are, and what can be done.
 *
 * Nothing here looks further than the first bytes.
 */

interface ForeignKind {
  readonly magic: readonly number[];
  /** What it is, with its article. */
  readonly name: string;
  /** Extension of a container that can carry its streams; absent for what is no recording. */
  readonly into?: string;
}

const spelled = (text: string) => [...text].map((letter) => letter.charCodeAt(0));

const kinds: readonly ForeignKind[] = [
  { magic: [0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66], name: 'a Windows Media file (ASF)', into: 'mkv' },
  { magic: [0, 0, 1, 0xba], name: 'an MPEG program stream', into: 'mkv' },
  { magic: spelled('riff\x2e\x91\xcf\x11'), name: 'a Wave64 file', into: 'wav' },
  { magic: spelled('.RMF'), name: 'a RealMedia file', into: 'mkv' },
  { magic: spelled('nut/multimedia container'), name: 'a NUT file', into: 'mkv' },
  { magic: spelled('DKIF'), name: 'an IVF file', into: 'mkv' },
  { magic: spelled('#!AMR'), name: 'an AMR file', into: '3gp' },
  { magic: [0x0b, 0x77], name: 'a bare AC-3 stream', into: 'mka' },
  { magic: [0, 0, 0, 1], name: 'a bare video stream (H.264 or HEVC)', into: 'mkv' },
  { magic: [0, 0, 1, 0xb3], name: 'a bare MPEG video stream', into: 'mkv' },
  { magic: spelled('YUV4MPEG2'), name: 'a YUV4MPEG file', into: 'mkv' },
  { magic: [0xff, 0xd8, 0xff], name: 'a JPEG picture' },
  { magic: [0x89, 0x50, 0x4e, 0x47], name: 'a PNG picture' },
  { magic: spelled('%PDF'), name: 'a PDF document' },
  { magic: [0x50, 0x4b, 3, 4], name: 'a ZIP archive' },
  { magic: spelled('#EXTM3U'), name: 'a playlist, which only names recordings' },
  { magic: spelled('<!DOCTYPE html'), name: 'a web page, as a failed download leaves one' },
  { magic: spelled('<html'), name: 'a web page, as a failed download leaves one' },
];

/** One sentence about a file of none of the formats, by its first bytes. */
export function foreignDetail(head: Uint8Array): string {
  const kind = kinds.find(({ magic }) => magic.every((byte, at) => head[at] === byte));
  if (!kind) return 'The first bytes are those of no media container Roomtape reads.';
  const said = `This is ${kind.name}; Roomtape does not read it.`;
  if (!kind.into) return said;
  return `${said} What is in it can be copied: ffmpeg -i <file> -c copy <new file>.${kind.into}`;
}
