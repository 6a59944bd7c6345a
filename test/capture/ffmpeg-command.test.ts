/** What ffmpeg is told on each system, and what its answers mean. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  captureArguments,
  chooseEncoder,
  desktopOf,
  hasDevices,
  joinList,
  lostMicrophones,
  neededDevices,
  parseDevices,
  parseNews,
  parseProgress,
} from '../../src/capture/ffmpeg-command.ts';

const none = desktopOf({});
const source = { size: null, frameRate: 30, microphones: ['mic'] } as const;

describe('given a capture on each system', () => {
  test('on Linux it takes X11 and PulseAudio, one track for each microphone', () => {
    const args = captureArguments(
      { ...source, platform: 'linux', screen: ':0', microphones: ['a', 'b'] },
      { encoder: 'libx264', syncs: true },
      '/r/a.mkv',
      '/w/progress',
    ).join(' ');
    // The screen is opened last and shifted to the clock of the sound.
    expect(args).toMatch(/-isync 0 .*-f x11grab -framerate 30 -i :0 -map/);
    expect(args).toContain('-f pulse -fragment_size 4800 -i a');
    expect(args).toContain('-thread_queue_size 1024 -isync 0 -f pulse -fragment_size 4800 -i b');
    expect(args).toContain('-map 2:v -map 0:a -map 1:a');
    expect(args).toContain('-f matroska -cluster_time_limit 100 -flush_packets 1 file:/r/a.mkv');
  });

  test('on macOS it takes a screen and a microphone of avfoundation', () => {
    const args = captureArguments(
      { ...source, platform: 'darwin', screen: '1', microphones: ['0'] },
      { encoder: 'h264_videotoolbox', syncs: false },
      '/r/a.mkv',
      '/w/p',
    ).join(' ');
    expect(args).toContain('-f avfoundation -framerate 30 -capture_cursor 1 -i 1:0');
    expect(args).toContain('-c:v h264_videotoolbox -realtime 1');
  });

  test('on macOS every further microphone is an input of its own', () => {
    const args = captureArguments(
      { ...source, platform: 'darwin', screen: '1', microphones: ['0', '2'] },
      { encoder: 'h264_videotoolbox', syncs: false },
      '/r/a.mkv',
      '/w/p',
    ).join(' ');
    expect(args).toContain('-i 1:0 -thread_queue_size 1024 -f avfoundation -i :2');
    expect(args).toContain('-map 0:v -map 0:a -map 1:a');
  });

  test('an ffmpeg without sound devices does for a picture alone', () => {
    const devices = 'Devices:\n D  x11grab         X11 screen capture, using XCB\n';
    expect(hasDevices(devices, neededDevices('linux', false))).toBe(true);
    expect(hasDevices(devices, neededDevices('linux', true))).toBe(false);
  });

  test('on Wayland an X11 display says that it shows X11 windows only', () => {
    const desktop = desktopOf({ DISPLAY: ':0', WAYLAND_DISPLAY: 'wayland-0' });
    expect(parseDevices('linux', '', desktop)[0]?.label).toContain('X11 windows only');
  });

  test('on Windows it takes gdigrab and dshow', () => {
    const args = captureArguments(
      { ...source, platform: 'win32', screen: 'desktop' },
      { encoder: 'libx264', syncs: true },
      'C:\\r\\a.mkv',
      'C:\\w\\p',
    ).join(' ');
    expect(args).toContain('-f gdigrab -framerate 30 -i desktop');
    expect(args).toContain('-f dshow -audio_buffer_size 50 -i audio=mic');
  });

  test('without a microphone there is no sound track and no sound filter', () => {
    const args = captureArguments(
      { ...source, platform: 'linux', screen: ':0', microphones: [] },
      { encoder: 'libx264', syncs: true },
      'a',
      'p',
    ).join(' ');
    expect(args).not.toMatch(/-c:a|-af |[0-9]:a/);
  });
});

describe('given what ffmpeg says', () => {
  test('the best encoder it has is chosen', () => {
    expect(chooseEncoder(' V....D libopenh264  OpenH264\n V....D libx264   x264\n')).toBe(
      'libx264',
    );
    expect(chooseEncoder(' V....D h264_mf  H264 via MediaFoundation\n')).toBe('h264_mf');
    expect(chooseEncoder('')).toBe('mpeg4');
  });

  test('PulseAudio sources are microphones, with the default marked', () => {
    const text =
      'Auto-detected sources for pulse:\n* alsa_input.usb [Headset Mono] (audio)\n  room.monitor [Monitor of Room] (none)\n';
    expect(parseDevices('linux', text, desktopOf({ DISPLAY: ':1' }))).toEqual([
      { kind: 'screen', id: ':1', label: 'X11 display :1' },
      { kind: 'microphone', id: 'alsa_input.usb', label: 'Headset Mono (default)' },
      { kind: 'microphone', id: 'room.monitor', label: 'Monitor of Room' },
    ]);
  });

  test('avfoundation devices are told apart by their heading', () => {
    const text = `[AVFoundation indev @ 0x7f8] AVFoundation video devices:
[AVFoundation indev @ 0x7f8] [0] FaceTime HD Camera
[AVFoundation indev @ 0x7f8] [1] Capture screen 0
[AVFoundation indev @ 0x7f8] AVFoundation audio devices:
[AVFoundation indev @ 0x7f8] [0] MacBook Pro Microphone`;
    expect(parseDevices('darwin', text, none)).toEqual([
      { kind: 'camera', id: '0', label: 'FaceTime HD Camera' },
      { kind: 'screen', id: '1', label: 'Capture screen 0' },
      { kind: 'microphone', id: '0', label: 'MacBook Pro Microphone' },
    ]);
  });

  test('DirectShow devices are read in the older and the newer way of listing', () => {
    const newer =
      '[dshow @ 0x1] "Webcam" (video)\r\n[dshow @ 0x1]   Alternative name "@device"\r\n[dshow @ 0x1] "Mikrofon (Realtek)" (audio)\r\n';
    const older =
      '[dshow @ 0x1] DirectShow video devices\n[dshow @ 0x1]  "Webcam"\n[dshow @ 0x1] DirectShow audio devices\n[dshow @ 0x1]  "Mikrofon (Realtek)"\n';
    const wanted = [
      { kind: 'screen', id: 'desktop', label: 'the whole desktop' },
      { kind: 'camera', id: 'Webcam', label: 'Webcam' },
      { kind: 'microphone', id: 'Mikrofon (Realtek)', label: 'Mikrofon (Realtek)' },
    ];
    expect(parseDevices('win32', newer, none)).toEqual(wanted);
    expect(parseDevices('win32', older, none)).toEqual(wanted);
  });

  test('silence, lost devices and a full disk are read from its log', () => {
    const news = parseNews(`[silencedetect @ 0x1] [info] silence_start: 12.5
[silencedetect @ 0x2] [info] silence_start: 1
[silencedetect @ 0x2] [info] silence_end: 3 | silence_duration: 2
[x11grab @ 0x5] [error] Failed to query xcb pointer
[error] :72: Generic error in an external library
[error] av_interleaved_write_frame(): No space left on device`);
    expect([...news.silentSince.values()]).toEqual([12.5, null]);
    expect(news.lostInputs).toEqual([':72']);
    expect(news.diskFull).toBe(true);
  });

  test('a microphone that went is known by its name, and in newer versions by its number', () => {
    const two = { ...source, platform: 'linux', screen: ':0', microphones: ['a', 'b'] } as const;
    const older = parseNews('[error] b: Generic error in an external library');
    const newer = parseNews('[in#1/pulse @ 0x5] [error] Error during demuxing: Input/output error');
    for (const news of [older, newer]) expect(lostMicrophones(two, news)).toEqual(['b']);
  });

  test('the last complete progress report counts, a torn one does not', () => {
    const whole = 'frame=3\ntotal_size=100\nout_time_us=200000\nprogress=continue\n';
    const next = 'frame=9\ntotal_size=900\nout_time_us=600000\n';
    expect(parseProgress(whole + next)).toMatchObject({ frames: 3, bytes: 100, recordedMs: 200 });
    expect(parseProgress(`${whole}${next}progress=end\n`)).toMatchObject({
      frames: 9,
      ended: true,
    });
    expect(parseProgress('frame=1\n')).toBeNull();
  });

  test('whatever it says, reading it never fails', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        parseNews(text);
        parseProgress(text);
        for (const platform of ['linux', 'darwin', 'win32'] as const) {
          parseDevices(platform, text, none);
        }
      }),
    );
  });

  test('a file with a quote in its name cannot break the list for joining', () => {
    expect(joinList(["/r/Ada's.mkv"])).toBe("ffconcat version 1.0\nfile 'file:/r/Ada'\\''s.mkv'\n");
  });
});
