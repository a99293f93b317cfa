import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { compiledFixture } from '../../kit/compiled-fixture.js';

const file = await compiledFixture('e2e/fixtures/parsing-process.ts');

/** Runs a process. Resolves to its lines and its exit code. */
async function run(command: string, args: readonly string[]): Promise<{ lines: readonly string[]; code: unknown }> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  return { lines: output.trim().split('\n'), code };
}

it('a parser thread does not keep the process alive', async () => {
  const startedAt = performance.now();
  expect(await run(process.execPath, [file])).toEqual({ lines: ['parsed 2000'], code: 0 });
  // An idle thread ends after a minute.
  expect(performance.now() - startedAt).toBeLessThan(30_000);
});

it('a document is rejected while no file descriptor is free for a parser thread, and is parsed once one is free', async () => {
  const limited = `ulimit -n 64 && exec "${process.execPath}" "${file}" without-descriptors`;
  const { lines, code } = await run('/bin/sh', ['-c', limited]);
  expect(lines).toEqual([
    expect.stringMatching(/^Error: .* was not parsed: .*(?:EMFILE|too many open files)/),
    'parsed 2000',
  ]);
  expect(code).toBe(0);
});
