import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);
let folder: string;

/** Compiles a fixture with the sources it imports, and runs it in a process of its own. */
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

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'websub-decorators-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a decorated class, compiled by tsc', () => {
  const declared = { name: 'News', targets: ['https://example.com/feed'], injected: true };

  it('gets logger, runtime, a class and a named value injected by `inject` under standard decorators', async () => {
    expect(await compileAndRun('standard')).toEqual({
      ...declared,
      plain: true,
      refusal: expect.stringMatching(/^Service "Unknowable": .*argument 1.*no metadata.*inject: \[/),
    });
  }, 60_000);

  it('gets logger, runtime and a class injected by emitted metadata under experimentalDecorators', async () => {
    expect(await compileAndRun('experimental')).toEqual(declared);
  }, 60_000);
});
