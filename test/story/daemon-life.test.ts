/**
 * The daemon's life, driven from outside with the built command.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, request } from 'node:http';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { pathsOf } from '../../src/system/paths.ts';
import { Machine, untilGone, untilPrinted } from './roomtape-command.ts';

const machines: Machine[] = [];
const newMachine = (env?: NodeJS.ProcessEnv) => {
  const machine = new Machine(env);
  machines.push(machine);
  return machine;
};
afterEach(async () => {
  await Promise.all(machines.splice(0).map((machine) => machine.end()));
});

describe('given no daemon', () => {
  test('when up is run twice, then the second finds the first', async () => {
    const machine = newMachine();
    const [first] = await machine.json<{ pid: number; started: boolean }>('up');
    const [second] = await machine.json<{ pid: number; started: boolean }>('up');
    expect(first?.started).toBe(true);
    expect(second).toMatchObject({ pid: first?.pid, started: false });
  });

  test('when a command needs it, then it is started, and with --no-start the code is 3', async () => {
    const machine = newMachine();
    const refused = await machine.run('status', '--no-start');
    expect(refused.code).toBe(3);
    expect(refused.err).toContain('next:     roomtape up');
    expect((await machine.run('status')).code).toBe(0);
    expect((await machine.run('status', '--no-start')).code).toBe(0);
  });

  test('when two are started at once, then one wins and the other says so', async () => {
    const machine = newMachine();
    const runs = [machine.start('daemon', 'run'), machine.start('daemon', 'run')];
    const ends = runs.map(
      (run) =>
        new Promise<{ code: number | null; err: string }>((resolve) => {
          let err = '';
          run.stderr?.on('data', (chunk) => {
            err += chunk;
          });
          run.on('close', (code) => resolve({ code, err }));
        }),
    );
    const loser = await Promise.race(ends);
    expect(loser.code).toBe(1);
    expect(loser.err).toContain('Another daemon already runs');
    expect((await machine.run('status')).code).toBe(0);
  });

  test('when many commands start it at once, then all are served by the same one', async () => {
    const machine = newMachine();
    const all = await Promise.all([1, 2, 3, 4].map(() => machine.json<{ pid: number }>('status')));
    expect(new Set(all.map(([status]) => status?.pid)).size).toBe(1);
  });

  test('when the settings are wrong, then starting says which and what was meant', async () => {
    const machine = newMachine();
    writeFileSync(join(machine.home, 'config.toml'), 'recovry = "auto"\n');
    const { code, err } = await machine.run('up');
    expect(code).toBe(2);
    expect(err).toContain('there is no setting "recovry". Did you mean "recovery"?');
    expect(err).not.toContain('    at ');
    expect((await machine.run('config')).code).toBe(2);
  });

  test('when the data folder is a file, then up says so with the next command', async () => {
    const machine = newMachine();
    rmSync(machine.home, { recursive: true });
    writeFileSync(machine.home, '');
    const { code, err } = await machine.run('up');
    expect(code).toBe(1);
    expect(err).toMatch(/roomtape: .*cannot be used/);
    expect(err).toContain('next:');
  });

  test('when the path is too long for a socket, then a short one is used', async () => {
    const machine = newMachine();
    const deep = join(machine.home, 'x'.repeat(120));
    mkdirSync(deep);
    const far = newMachine();
    far.env['ROOMTAPE_HOME'] = deep;
    expect((await far.run('up')).code).toBe(0);
    expect(pathsOf(deep).socket.length).toBeLessThan(104);
    expect((await far.run('down')).out).toContain('is down');
  });
});

describe('given a running daemon', () => {
  test('when it gets SIGTERM, then it is gone within two seconds and its socket with it', async () => {
    const machine = newMachine();
    await machine.run('up');
    const pid = await machine.daemonPid();
    const before = Date.now();
    process.kill(pid, 'SIGTERM');
    await untilGone(pid);
    expect(Date.now() - before).toBeLessThan(2_000);
    expect(existsSync(pathsOf(machine.home).socket)).toBe(false);
    expect((await machine.run('status', '--no-start')).code).toBe(3);
  });

  test('when somebody listens to its events, then SIGTERM still ends it in time', async () => {
    const machine = newMachine();
    await machine.run('up');
    const pid = await machine.daemonPid();
    const listener = request({
      socketPath: pathsOf(machine.home).socket,
      path: '/v1/events',
      headers: { host: 'roomtape', 'roomtape-version': '0.1.0' },
    });
    listener.on('error', () => {});
    await new Promise((resolve) => {
      listener.on('response', (response) => response.once('data', resolve).on('error', () => {}));
      listener.end();
    });
    const before = Date.now();
    process.kill(pid, 'SIGTERM');
    await untilGone(pid);
    expect(Date.now() - before).toBeLessThan(2_000);
  });

  test('when it is killed at random moments, then the next start always succeeds', async () => {
    const machine = newMachine();
    for (let round = 0; round < 6; round++) {
      const daemon = machine.start('daemon', 'run');
      const ready = untilPrinted(daemon, /answers at/).catch(() => 'killed before');
      // Some rounds are killed while they start, some after they answer.
      if (round % 2 === 0) await ready;
      else await new Promise((resolve) => setTimeout(resolve, Math.random() * 300));
      const gone = new Promise((resolve) => daemon.once('close', resolve));
      daemon.kill('SIGKILL');
      await gone;
    }
    expect((await machine.run('up')).code).toBe(0);
    expect(await machine.daemonPid()).toBeGreaterThan(0);
  });

  test('when its socket is deleted, then it is made again', async () => {
    const machine = newMachine();
    await machine.run('up');
    const pid = await machine.daemonPid();
    rmSync(pathsOf(machine.home).socket);
    await expect
      .poll(() => existsSync(pathsOf(machine.home).socket), { timeout: 5_000 })
      .toBe(true);
    expect(await machine.daemonPid()).toBe(pid);
  });

  test('its folder, socket, log and catalogue are private', async () => {
    const machine = newMachine();
    chmodSync(machine.home, 0o755);
    await machine.run('up');
    const { socketFolder, socket, log, catalogue } = pathsOf(machine.home);
    const mode = (path: string) => statSync(path).mode & 0o777;
    expect(mode(socketFolder)).toBe(0o700);
    expect([socket, log, catalogue].map((path) => mode(path) & 0o077)).toEqual([0, 0, 0]);
  });

  test('a request from a web page, to a foreign host or without the version is refused', async () => {
    const machine = newMachine();
    await machine.run('up');
    const good = { host: 'roomtape', 'roomtape-version': '0.1.0' };
    const ask = (headers: Record<string, string>, body = '{}', path = '/v1/daemon.status') =>
      new Promise<number | undefined>((resolve, reject) => {
        const { socket } = pathsOf(machine.home);
        const asking = request({
          socketPath: socket,
          path,
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
        });
        asking.on('response', (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        asking.on('error', reject);
        asking.end(body);
      });
    expect(await ask(good)).toBe(200);
    expect(await ask({ ...good, origin: 'https://example.org' })).toBe(403);
    expect(await ask({ ...good, referer: 'https://example.org/' })).toBe(403);
    expect(await ask({ ...good, host: 'example.org' })).toBe(403);
    expect(await ask({ ...good, host: 'localhost:80' })).toBe(403);
    expect(await ask({ host: 'roomtape' })).toBe(426);
    expect(await ask({ ...good, 'content-type': 'text/plain' })).toBe(415);
    expect(await ask(good, 'not json')).toBe(400);
    expect(await ask(good, '{"unknown": 1}')).toBe(400);
    expect(await ask(good, '{}', '/v1/no.such')).toBe(404);
    expect(await ask(good, '{}', '/v1/toString')).toBe(404);
    expect(await ask(good, `"${'x'.repeat(2_100_000)}"`)).toBe(413);
    expect(await ask(good)).toBe(200);
  });

  test('when another version asks, then it is told to restart the daemon', async () => {
    const machine = newMachine();
    mkdirSync(pathsOf(machine.home).socketFolder, { mode: 0o700 });
    const old = createServer((_, response) => {
      response.writeHead(426, { 'Roomtape-Version': '0.0.9' }).end('{"error":{}}');
    });
    await new Promise<void>((resolve) => {
      old.listen(pathsOf(machine.home).socket, resolve);
    });
    const { code, err } = await machine.run('status');
    old.close();
    expect(code).toBe(3);
    expect(err).toContain('The running daemon is Roomtape 0.0.9');
    expect(err).toContain('roomtape down && roomtape up');
  });

  test('what happens is told to whoever listens', async () => {
    const machine = newMachine();
    await machine.run('up');
    const listening = machine.start('events', '--json');
    const told = untilPrinted(listening, /"type":"session:session-created"/);
    // The listener has no line that says it listens: it is asked again until it hears something.
    let heard = false;
    void told.then(() => {
      heard = true;
    });
    for (let n = 0; !heard && n < 20; n++) await machine.run('session', 'create', `Evening ${n}`);
    await told;
    listening.kill('SIGINT');
    expect(await new Promise((resolve) => listening.once('close', resolve))).toBe(0);
  });

  test('its log is printed, and followed while it grows', async () => {
    const machine = newMachine();
    await machine.run('up');
    const following = machine.start('logs', '--follow');
    await untilPrinted(following, /daemon answers/);
    const told = untilPrinted(following, /daemon ends/);
    await machine.run('down');
    await told;
    following.kill('SIGINT');
    const code = await new Promise((resolve) => following.once('close', resolve));
    expect(code).toBe(0);
    for (const line of readFileSync(pathsOf(machine.home).log, 'utf8').trim().split('\n')) {
      expect(JSON.parse(line)).toHaveProperty('level');
    }
  });
});

describe('given a machine to be examined', () => {
  test('doctor has a finding for each part, and watched folders that vanished are among them', async () => {
    const machine = newMachine();
    const folder = join(machine.home, 'videos');
    mkdirSync(folder);
    await machine.run('up');
    expect((await machine.run('watch', 'add', folder)).code).toBe(0);
    rmSync(folder, { recursive: true });
    const findings = await machine.json<{ part: string; level: string; text: string }>('doctor');
    const parts = new Set(findings.map(({ part }) => part));
    for (const part of ['node', 'database', 'ffmpeg', 'folder', 'disk', 'settings', 'clock']) {
      expect(parts).toContain(part);
    }
    expect(findings.find(({ part }) => part === 'daemon')?.level).toBe('ok');
    expect(findings.find(({ part }) => part === 'watched')).toMatchObject({ level: 'warning' });
  });

  test('doctor starts nothing, and without a daemon names the command that does', async () => {
    const machine = newMachine();
    const { out } = await machine.run('doctor');
    expect(out).toContain('roomtape up');
    expect((await machine.run('status', '--no-start')).code).toBe(3);
  });
});

describe('given a dead daemon’s leavings', () => {
  test('when a stale socket lies there, then it is replaced', async () => {
    const machine = newMachine();
    const daemon = machine.start('daemon', 'run');
    await untilPrinted(daemon, /answers at/);
    daemon.kill('SIGKILL');
    await new Promise((resolve) => daemon.once('close', resolve));
    expect(existsSync(pathsOf(machine.home).socket)).toBe(true);
    expect((await machine.run('status')).code).toBe(0);
  });

  test('when the catalogue is damaged or newer, then starting says so and touches nothing', async () => {
    const machine = newMachine();
    await machine.run('up');
    await machine.run('down');
    const { catalogue } = pathsOf(machine.home);
    const whole = readFileSync(catalogue);
    const torn = Buffer.from(whole);
    torn.fill(0, 4096, 4096 * 3);
    writeFileSync(catalogue, torn);
    const damaged = await machine.run('up');
    expect(damaged.code).toBe(1);
    expect(damaged.err).toMatch(/catalogue .* is damaged/);
    expect(damaged.err).toContain('next:     roomtape down && roomtape catalogue restore');
    expect(readFileSync(catalogue).equals(torn)).toBe(true);

    writeFileSync(catalogue, 'this is a text and no database at all, whatever its name says');
    expect((await machine.run('up')).err).toMatch(/is damaged/);

    const newer = Buffer.from(whole);
    newer.writeUInt32BE(999, 60); // user_version (SQLite file format §1.3)
    writeFileSync(catalogue, newer);
    const refused = await machine.run('up');
    expect(refused.err).toContain('written by a newer Roomtape');
    expect(refused.err).not.toContain('    at ');
    writeFileSync(catalogue, whole);
  });
});

describe('given a catalogue that is damaged between two runs', () => {
  test('when it is restored, then the damaged file is kept and the daemon runs again', async () => {
    const machine = newMachine();
    await machine.run('up');
    expect((await machine.run('catalogue', 'restore')).err).toContain('next:     roomtape down');
    expect((await machine.run('catalogue', 'backup')).code).toBe(0);
    expect((await machine.run('catalogue', 'check')).code).toBe(0);
    await machine.run('down');
    const { catalogue } = pathsOf(machine.home);
    const torn = Buffer.from(readFileSync(catalogue));
    torn.fill(0, 4096);
    writeFileSync(catalogue, torn);
    expect((await machine.run('catalogue', 'check')).code).toBe(5);
    const [report] = await machine.json<{ backup: string; kept: string }>('catalogue', 'restore');
    expect(report?.backup).toContain('by-hand');
    expect(readFileSync(report?.kept ?? '').equals(torn)).toBe(true);
    expect((await machine.run('catalogue', 'rebuild')).code).toBe(0);
    expect((await machine.run('status')).code).toBe(0);
  });
});
