/** What Tab offers, asked of the shells themselves where they are installed. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { completionScript } from '../../src/cli/completion.ts';

const main = join(import.meta.dirname, '..', '..', 'dist', 'main.js');
const has = (shell: string) => spawnSync(shell, ['--version']).error === undefined;

const nodes = [
  {
    path: '',
    words: [
      { word: 'session', help: "the host's sessions" },
      { word: 'status', help: 'show: $HOME "now"' },
    ],
  },
  {
    path: '/session',
    words: [
      { word: 'create', help: '' },
      { word: 'close', help: '' },
    ],
  },
  { path: '/session/create', words: [{ word: '--json', help: 'as JSON' }] },
  { path: '/status', words: [{ word: '--json', help: 'as JSON' }] },
];

/** What bash offers behind the words; the last one is being typed. */
function offers(script: string, words: readonly string[]): string[] {
  const quoted = ['roomtape', ...words].map((word) => `'${word}'`).join(' ');
  const ask = `${script}\nCOMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; _roomtape; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = spawnSync('bash', ['-c', ask], { encoding: 'utf8' });
  return stdout.split('\n').filter(Boolean);
}

describe.runIf(has('bash'))('given bash', () => {
  test('commands, their children and their options are offered', () => {
    const script = completionScript('bash', nodes);
    expect(offers(script, ['s'])).toEqual(['session', 'status']);
    expect(offers(script, ['session', 'c'])).toEqual(['create', 'close']);
    expect(offers(script, ['session', 'create', '--'])).toEqual(['--json']);
    expect(offers(script, ['session', 'create', 'some value', '--j'])).toEqual(['--json']);
  });

  test('the real commands are in it', () => {
    const { stdout } = spawnSync(process.execPath, [main, 'completion', 'bash'], {
      encoding: 'utf8',
    });
    expect(offers(stdout, ['serv'])).toEqual(['service']);
    expect(offers(stdout, ['service', 'inst'])).toEqual(['install']);
    expect(offers(stdout, ['service', 'install', '--li'])).toEqual(['--linger']);
  });
});

describe('given the other shells', () => {
  test('no help text can end a quotation', () => {
    for (const shell of ['zsh', 'fish', 'powershell'] as const) {
      const script = completionScript(shell, nodes);
      expect(script).toContain('the hosts sessions');
      expect(script).toContain('HOME now');
      expect(script).not.toContain('$HOME');
    }
  });

  test.runIf(has('zsh'))('zsh offers the words to somebody who presses Tab', () => {
    const folder = mkdtempSync(join(tmpdir(), 'roomtape-zsh-'));
    try {
      writeFileSync(join(folder, 'roomtape.zsh'), completionScript('zsh', nodes));
      // A terminal of zsh's own, in which the Tab key is pressed.
      const presses = `zmodload zsh/zpty
        zpty terminal zsh -f -i
        zpty -w terminal 'PS1=; autoload -Uz compinit; compinit -u -d ${folder}/dump; source ${folder}/roomtape.zsh; echo re''ady'
        zpty -r -m terminal seen '*ready*'
        zpty -w -n terminal $'roomtape session c\t\t'
        zpty -r -m terminal seen '*create*close*'
        print -r -- $seen`;
      const ran = spawnSync('zsh', ['-f', '-c', presses], { encoding: 'utf8', timeout: 30_000 });
      expect(ran.stdout).toContain('create');
      expect(ran.stdout).not.toContain('status');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test.runIf(has('fish'))('fish offers the words, and no files where a command must follow', () => {
    const ask = (words: string) => {
      const script = `${completionScript('fish', nodes)}\ncomplete -C '${words}'`;
      return spawnSync('fish', ['--no-config', '-c', script], { encoding: 'utf8' }).stdout;
    };
    expect(ask('roomtape session ').split('\n').filter(Boolean)).toEqual(['close', 'create']);
    expect(ask('roomtape session create --j')).toContain('--json');
  });

  test('an unknown shell is wrong usage', () => {
    const run = spawnSync(process.execPath, [main, 'completion', 'tcsh'], { encoding: 'utf8' });
    expect(run.status).toBe(2);
    expect(run.stderr).toContain('next:');
  });
});
