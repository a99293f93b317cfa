import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { runCommand, tryCommand } from './command.js';

export const PACKAGES = ['jest@30'];

const TESTS = fileURLToPath(new URL('jest', import.meta.url));
const JEST = ['node_modules/jest/bin/jest.js', '--no-watchman', '--ci'];
const VM_MODULES = { NODE_OPTIONS: '--experimental-vm-modules' };

/** Jest with ES modules and with CommonJS. */
export async function jestCases(project) {
  await cp(TESTS, project, { recursive: true });
  const jest = (file, env) => [process.execPath, [...JEST, file], { cwd: project, env }];
  return [
    {
      name: 'jest: a test that is an ES module, with --experimental-vm-modules',
      run: () => runCommand(...jest('news.test.mjs', VM_MODULES)),
    },
    {
      name: 'jest: a CommonJS test that imports with import(), with --experimental-vm-modules',
      run: () => runCommand(...jest('news.test.cjs', VM_MODULES)),
    },
    {
      name: 'jest: a test without --experimental-vm-modules fails, and the error names the flag',
      async run() {
        const { code, output } = await tryCommand(...jest('news.test.cjs', {}));
        assert.equal(code, 1);
        assert.match(output, /without --experimental-vm-modules/);
      },
    },
  ];
}
