/**
 * Requests made to hurt: search text that is a language, bodies without end, senders without haste.
 */
import { spawnSync } from 'node:child_process';
import { type ClientRequest, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pathsOf } from '../../src/system/paths.ts';
import { version } from '../../src/system/version.ts';
import { Ground } from './daemon-under-fault.ts';

let ground: Ground;
beforeAll(async () => {
  ground = await Ground.open();
  await ground.session();
  await ground.machine.json('record', '--as', 'Ada', '--room', '1');
});
afterAll(() => ground.end());

const headers = {
  host: 'roomtape',
  'roomtape-version': version(),
  'content-type': 'application/json',
};

/** A request whose body the test sends as it likes. */
function post(route: string, more: Record<string, string> = {}): ClientRequest {
  const { socket } = pathsOf(ground.machine.home);
  const path = `/v1/${route}`;
  return request({ socketPath: socket, path, method: 'POST', headers: { ...headers, ...more } });
}

const answered = (sent: ClientRequest): Promise<number | 'cut'> =>
  new Promise((resolve) => {
    sent.on('response', (response) => {
      response.on('error', () => {}).resume();
      resolve(response.statusCode ?? 0);
    });
    // What is still being sent when the answer comes is cut off.
    sent.on('error', () => resolve('cut'));
  });

describe('given search text that is SQL or the syntax of a full-text search', () => {
  test.each([
    "'; DROP TABLE recordings; --",
    '" OR 1=1 --',
    'Ada AND (',
    'Ada NEAR/3 "',
    'topic:Evening',
    '{topic} : Ada',
    '^Ada*',
    '*',
    '"',
    '""""',
    '- + ~',
    'NOT',
    'AND OR NOT NEAR(',
    '\u0000',
    '%_\\',
    'a'.repeat(1_000),
    `${'(('.repeat(400)}`,
  ])('%j is only text', async (text) => {
    const answer = await ground.client.call('recording.search', { text });
    expect(Array.isArray(answer.recordings)).toBe(true);
    expect(await ground.recordings()).toHaveLength(1);
  });

  test('the command says nothing of SQL either', async () => {
    for (const text of ["'; DROP TABLE recordings; --", 'AND OR NOT NEAR(']) {
      const { code, err } = await ground.machine.run('search', text);
      expect(code).toBe(0);
      expect(err).not.toMatch(/SQLITE|fts5|syntax/i);
    }
  });

  test('a word that is there is still found, with its quotes on', async () => {
    for (const text of ['Ada', '"Ada"', "Ada'", 'ada evening']) {
      expect((await ground.client.call('recording.search', { text })).recordings).toHaveLength(1);
    }
  });
});

describe.runIf(process.getuid?.() === 0)('given another user of the machine', () => {
  test('the socket, the catalogue and the key are out of their reach', () => {
    const { socket, catalogue, keys, log } = pathsOf(ground.machine.home);
    const attempt = `
      const { readFileSync } = require('node:fs');
      for (const path of ${JSON.stringify([catalogue, `${keys}/identity.pem`, log])}) {
        try { readFileSync(path); console.log('read ' + path); } catch (problem) { console.log(problem.code); }
      }
      require('node:net').connect(${JSON.stringify(socket)})
        .on('connect', () => { console.log('connected'); process.exit(); })
        .on('error', (problem) => console.log(problem.code));`;
    const { stdout } = spawnSync(process.execPath, ['-e', attempt], {
      uid: 65_534,
      gid: 65_534,
      cwd: '/',
      encoding: 'utf8',
    });
    expect(stdout.trim().split('\n')).toEqual(['EACCES', 'EACCES', 'EACCES', 'EACCES']);
  });
});

describe('given requests that are too large, too slow or not finished', () => {
  test('a body beyond the limit is refused, whether it says its length or not', async () => {
    const told = post('recording.search', { 'content-length': '999999999' });
    told.write('{"text":"');
    expect(await answered(told)).toBe(413);
    told.destroy();
    const untold = post('recording.search', { 'transfer-encoding': 'chunked' });
    const end = answered(untold);
    const chunk = Buffer.alloc(500_000, 0x61);
    untold.on('socket', (socket) => socket.on('error', () => {}));
    for (let n = 0; n < 10; n += 1) untold.write(chunk, () => {});
    untold.end();
    expect([413, 'cut']).toContain(await end);
  });

  test('a body nested without end, or of the wrong shape, is refused', async () => {
    const bodies = [
      '['.repeat(900_000),
      '{"a":'.repeat(100_000),
      'null',
      '{"__proto__":{"text":"x"}}',
      '{"text":{"$ne":1}}',
    ];
    for (const body of bodies) {
      const sent = post('recording.search', { 'content-length': String(body.length) });
      sent.end(body);
      expect(await answered(sent)).toBe(400);
    }
  });

  test('fifty senders that stop in the middle keep nobody else waiting', async () => {
    const slow = Array.from({ length: 50 }, () => {
      const sent = post('recording.search', { 'content-length': '1000' });
      sent.on('error', () => {});
      sent.write('{"text":');
      return sent;
    });
    const began = Date.now();
    await ground.client.call('daemon.status', {});
    expect(Date.now() - began).toBeLessThan(1_000);
    // Nobody holds a connection for ever.
    expect(await answered(slow[0] ?? post('none'))).not.toBe(200);
    for (const sent of slow) sent.destroy();
  }, 30_000);
});
