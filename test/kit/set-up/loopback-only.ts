import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeEach } from 'vitest';

const GUARD = fileURLToPath(new URL('./loopback-only.cjs', import.meta.url));

/** A test that goes beyond loopback often does so time and again: so many attempts say enough. */
const MOST_SHOWN = 5;

/** What this process and its children tried is noted here, a line each. */
const attempts = join(tmpdir(), `websub-attempts-${process.pid}-${crypto.randomUUID()}`);
process.env['WEBSUB_TEST_ATTEMPTS'] = attempts;

// Children that inherit the environment are guarded as well. A coverage run, or the user, may have options there already.
const required = `--require ${JSON.stringify(GUARD)}`;
const { NODE_OPTIONS: options = '' } = process.env;
if (!options.includes(required)) process.env['NODE_OPTIONS'] = `${options} ${required}`.trimStart();
createRequire(import.meta.url)(GUARD);

/** Fails whatever is running when something was tried, also where the code under test took no notice. */
function refuseAttempts(who: string): void {
  if (!existsSync(attempts)) return;
  const tried = readFileSync(attempts, 'utf8').trimEnd().split('\n');
  rmSync(attempts);
  const further = tried.length > MOST_SHOWN ? `\nand ${tried.length - MOST_SHOWN} more` : '';
  const shown = tried.slice(0, MOST_SHOWN).join('\n') + further;
  throw new Error(`${who} went beyond loopback. Stub the look-up, or use an address of this machine:\n${shown}`);
}

beforeEach(({ task, onTestFinished }) => {
  refuseAttempts(`What came before "${task.name}"`);
  // What is registered first is called last, when all that the test has opened is closed.
  onTestFinished(() => refuseAttempts(`The test "${task.name}"`));
});

afterAll(() => refuseAttempts('What came after the last test'));
