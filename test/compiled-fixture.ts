import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { afterAll } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * A fixture in TypeScript, and what it imports of `src`, as one file of JavaScript: a process starts with it several times
 * sooner than with a loader that compiles each file anew. For those who start many.
 *
 * @param fixture relative to this folder
 * @returns its path, which lasts until the end of the file's tests
 */
export async function compiledFixture(fixture: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'websub-fixture-'));
  afterAll(() => rm(directory, { recursive: true, force: true }));
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'), 'dir');
  const bundle = await rolldown({
    input: join(root, 'test', fixture),
    platform: 'node',
    external: /^[^./]/,
  });
  const file = `${basename(fixture, '.ts')}.mjs`;
  await bundle.write({ file: join(directory, file) });
  await bundle.close();
  return join(directory, file);
}
