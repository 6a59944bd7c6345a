/** What OBS's settings files say, in the shapes that versions 28 to 31 write them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type ObsTexts,
  parseIni,
  recordSettings,
  survivesCrash,
  webSocketSettings,
  withIniValue,
} from '../../src/capture/obs-settings.ts';

const globalIni = `\uFEFF[General]\r\nLastVersion=486539266\r\n\r\n[Basic]\r\nProfile=My Show\r\nProfileDir=My_Show\r\n
[OBSWebSocket]\r\nServerEnabled=true\r\nServerPort=4460\r\nAuthRequired=true\r\nServerPassword=a=b;c\r\n`;

function texts(overrides: Partial<ObsTexts> & { basic?: string } = {}): ObsTexts {
  const { basic = '[Output]\nMode=Simple\n[SimpleOutput]\nRecFormat=mp4\n', ...rest } = overrides;
  return {
    folder: '/config/obs-studio',
    globalIni,
    userIni: null,
    webSocketJson: null,
    profiles: new Map([
      ['My_Show', basic],
      ['Other', ''],
    ]),
    ...rest,
  };
}

describe('given OBS settings files', () => {
  test('when the WebSocket server is set up in global.ini, port and password are read from it', () => {
    expect(webSocketSettings(texts())).toEqual({ enabled: true, port: 4460, password: 'a=b;c' });
  });

  test('when there is a config.json of a newer OBS, it counts', () => {
    const webSocketJson = JSON.stringify({
      auth_required: true,
      server_enabled: true,
      server_port: 4455,
      server_password: 'secret',
    });
    expect(webSocketSettings(texts({ webSocketJson }))).toEqual({
      enabled: true,
      port: 4455,
      password: 'secret',
    });
  });

  test('when OBS asks for no password, none is used', () => {
    const webSocketJson = JSON.stringify({ auth_required: false, server_password: 'left over' });
    expect(webSocketSettings(texts({ webSocketJson }))).toEqual({
      enabled: false,
      port: 4455,
      password: null,
    });
  });

  test('when config.json is torn, global.ini is used', () => {
    expect(webSocketSettings(texts({ webSocketJson: '{"auth_req' }))?.port).toBe(4460);
  });

  test('when the simple mode records plain MP4, it does not survive a crash', () => {
    expect(recordSettings(texts())).toMatchObject({
      profile: 'My_Show',
      section: 'SimpleOutput',
      key: 'RecFormat',
      format: 'mp4',
      survivesCrash: false,
      bitsPerSecond: 2_660_000,
    });
  });

  test('when user.ini of OBS 31 names another profile, that one counts, and its RecFormat2', () => {
    const settings = recordSettings(
      texts({
        userIni: '[Basic]\nProfileDir=Fancy\n',
        profiles: new Map([
          [
            'Fancy',
            '[Output]\nMode=Advanced\n[AdvOut]\nRecFormat=mp4\nRecFormat2=hybrid_mp4\nRecFilePath=C:\\\\Users\\\\a\\\\Videos\n',
          ],
        ]),
      }),
    );
    expect(settings).toMatchObject({
      profile: 'Fancy',
      section: 'AdvOut',
      key: 'RecFormat2',
      format: 'hybrid_mp4',
      folder: 'C:\\Users\\a\\Videos',
      survivesCrash: true,
    });
  });

  test('which formats survive: all but MP4 and MOV without fragments', () => {
    for (const format of [
      'mkv',
      'flv',
      'ts',
      'hls',
      'fragmented_mp4',
      'hybrid_mp4',
      'hybrid_mov',
    ]) {
      expect(survivesCrash(format, ''), format).toBe(true);
    }
    for (const format of ['mp4', 'mov', 'm4a'])
      expect(survivesCrash(format, ''), format).toBe(false);
    expect(survivesCrash('mp4', 'movflags=frag_keyframe+empty_moov')).toBe(true);
  });

  test('when a value is changed, every other byte stays', () => {
    const before =
      '[A]\r\nk=1\r\n\r\n[SimpleOutput]\r\nFilePath=x\r\nRecFormat=mp4\r\n[Z]\r\nRecFormat=no\r\n';
    expect(withIniValue(before, 'SimpleOutput', 'RecFormat', 'mkv')).toBe(
      before.replace('RecFormat=mp4', 'RecFormat=mkv'),
    );
  });

  test('whatever the text, a value that is set is read back and other sections stay', () => {
    const line = fc.oneof(
      fc.constantFrom('[A]', '[S]', '[B]', 'key=1', 'key = 2', ';c', '', 'other=3'),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const before = lines.join('\n');
        const after = parseIni(withIniValue(before, 'S', 'key', 'new'));
        expect(after.get('S')?.get('key')).toBe('new');
        for (const [name, section] of parseIni(before)) {
          if (name !== 'S') expect(after.get(name)).toEqual(section);
        }
      }),
    );
  });
});
