import { execFile } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../kit/temporary-directory.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);
const folder = temporaryDirectory(afterAll);

/** Compiles a fixture and its imports, and runs it in a process of its own. */
async function compileAndRun(fixture: string): Promise<Record<string, unknown>> {
  const outDir = join(folder, fixture);
  await mkdir(outDir);
  await writeFile(join(outDir, 'package.json'), '{ "type": "module" }');
  await symlink(join(root, 'node_modules'), join(outDir, 'node_modules'), 'dir');
  const project = join(root, `test/decorators/fixtures/tsconfig.${fixture}.json`);
  await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project, '--outDir', outDir]);
  const { stdout } = await run(process.execPath, [join(outDir, `test/decorators/fixtures/${fixture}.js`)]);
  const printed: unknown = JSON.parse(stdout);
  return { ...Object(printed) };
}

describe('a decorated class, compiled by tsc', () => {
  const expected = { name: 'News', targets: ['https://example.com/feed'], injected: true };

  it('gets logger, runtime, a class and a named value by `inject` with standard decorators', async () => {
    expect(await compileAndRun('standard')).toEqual({
      ...expected,
      plain: true,
      refusal: expect.stringMatching(/^Service "Unresolvable": .*argument 1.*no metadata.*inject: \[/),
    });
  }, 60_000);

  it('gets logger, runtime and a class by emitted metadata with experimentalDecorators', async () => {
    expect(await compileAndRun('experimental')).toEqual(expected);
  }, 60_000);
});
