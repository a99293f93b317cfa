import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand, tryCommand } from './command.js';

export const PACKAGES = ['jest@30', 'vitest@4'];

const JEST_TESTS = fileURLToPath(new URL('jest', import.meta.url));
/** For a busy machine. */
const TEST_TIMEOUT = '--testTimeout=60000';
const VM_MODULES = { NODE_OPTIONS: '--experimental-vm-modules' };

/** The examples of tests, each run by its test runner, and Jest with ES modules and with CommonJS. */
export async function testRunnerCases(project) {
  // Both runners ignore tests inside node_modules.
  await cp(join(project, 'node_modules/websub-subscriber/examples'), join(project, 'examples'), { recursive: true });
  const configured = join(project, 'configured');
  await cp(JEST_TESTS, configured, { recursive: true });
  const jestFile = join(project, 'node_modules/jest/bin/jest.js');
  const jest = (cwd, file, env) => [
    process.execPath,
    [jestFile, '--no-watchman', '--ci', TEST_TIMEOUT, file],
    { cwd, env },
  ];
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', TEST_TIMEOUT, 'examples/testing.vitest.test.ts'];
  return [
    {
      name: 'vitest: the example, without a configuration',
      run: () => runCommand(process.execPath, vitest, { cwd: project }),
    },
    {
      name: 'jest: the example, without a configuration, with --experimental-vm-modules',
      run: () => runCommand(...jest(project, 'testing.jest.test.mjs', VM_MODULES)),
    },
    {
      name: 'jest: a test that is an ES module, with --experimental-vm-modules',
      run: () => runCommand(...jest(configured, 'entries.test.mjs', VM_MODULES)),
    },
    {
      name: 'jest: a CommonJS test that imports with import(), with --experimental-vm-modules',
      run: () => runCommand(...jest(configured, 'common-js.test.cjs', VM_MODULES)),
    },
    {
      name: 'jest: a test without --experimental-vm-modules fails, and the error names the flag',
      async run() {
        const { code, output } = await tryCommand(...jest(configured, 'common-js.test.cjs', {}));
        assert.equal(code, 1);
        assert.match(output, /without --experimental-vm-modules/);
      },
    },
  ];
}
