import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeEach } from 'vitest';

const GUARD = fileURLToPath(new URL('./loopback-only.cjs', import.meta.url));

/** How many attempts an error shows. A test that goes beyond loopback often repeats the same attempt. */
const MAX_SHOWN = 5;

/** This process and its children append a line for each attempt to this file. */
const attempts = join(tmpdir(), `websub-attempts-${process.pid}-${crypto.randomUUID()}`);
process.env['WEBSUB_TEST_ATTEMPTS'] = attempts;

// Guards child processes too, since they inherit the environment. It may have options of a coverage run or the user.
const required = `--require ${JSON.stringify(GUARD)}`;
const { NODE_OPTIONS: options = '' } = process.env;
if (!options.includes(required)) process.env['NODE_OPTIONS'] = `${options} ${required}`.trimStart();
createRequire(import.meta.url)(GUARD);

/** Fails the running test or hook if there was an attempt, even if the code under test ignored the error. */
function refuseAttempts(who: string): void {
  if (!existsSync(attempts)) return;
  const lines = readFileSync(attempts, 'utf8').trimEnd().split('\n');
  rmSync(attempts);
  const further = lines.length > MAX_SHOWN ? `\nand ${lines.length - MAX_SHOWN} more` : '';
  const shown = lines.slice(0, MAX_SHOWN).join('\n') + further;
  throw new Error(`${who} went beyond loopback. Stub the look-up, or use an address of this machine:\n${shown}`);
}

beforeEach(({ task, onTestFinished }) => {
  refuseAttempts(`Code before the test "${task.name}"`);
  // The first registered function runs last, when the test has closed everything.
  onTestFinished(() => refuseAttempts(`The test "${task.name}"`));
});

afterAll(() => refuseAttempts('Code after the last test'));
