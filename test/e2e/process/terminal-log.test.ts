import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { compiledFixture } from '../../kit/compiled-fixture.js';

const file = await compiledFixture('e2e/fixtures/terminal-process.ts');

/** `script` of util-linux gives a program a real pseudo-terminal. */
const hasTerminal =
  process.platform === 'linux' &&
  spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux');

async function onTerminal(env: NodeJS.ProcessEnv): Promise<string> {
  const command = `'${process.execPath}' '${file}'`;
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    env: { PATH: process.env['PATH'], TERM: 'xterm-256color', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const [code]: unknown[] = await once(child, 'close');
  expect(code).toBe(0);
  return text.replaceAll('\r\n', '\n');
}

const CLOCK = String.raw`\d\d:\d\d:\d\d\.\d{3}`;

describe.skipIf(!hasTerminal)('the default logger on a terminal (needs script of util-linux)', () => {
  it('writes readable lines, with secrets redacted and control characters escaped', async () => {
    const lines = (await onTerminal({ NO_COLOR: '1' })).split('\n');
    expect(lines[0]).toMatch(new RegExp(`^${CLOCK} INFO  a message subscription=s1 secret=\\[redacted\\]$`));
    expect(lines[1]).toMatch(new RegExp(`^${CLOCK} WARN  an error eventId=e1 said="\\\\x1b\\[2J evil"$`));
    expect(lines[2]).toBe(String.raw`    TypeError: no\npaper`);
    expect(lines[3]).toMatch(/^ {8}at /);
    expect(lines.join('')).not.toContain('\u001b');
    expect(lines.join('')).not.toContain('hush');
  });

  it('colors the lines unless NO_COLOR is set', async () => {
    const text = await onTerminal({});
    expect(text).toMatch(new RegExp(`^\u001b\\[2m${CLOCK}\u001b\\[0m \u001b\\[32mINFO \u001b\\[0m a message `));
    expect(text).not.toContain('hush');
  });
});

describe('the default logger elsewhere', () => {
  it('writes JSON, with secrets redacted', () => {
    const { stdout } = spawnSync(process.execPath, [file], { encoding: 'utf8' });
    const lines: unknown[] = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toMatchObject([
      { level: 30, msg: 'a message', subscription: 's1', secret: '[redacted]' },
      { level: 40, msg: 'an error', eventId: 'e1', said: '\u001b[2J evil', err: { message: 'no\npaper' } },
    ]);
  });
});
