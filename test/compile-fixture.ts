import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const root = fileURLToPath(new URL('..', import.meta.url));

/** A compiled fixture, and how to remove it. */
export interface CompiledFixture {
  readonly file: string;
  readonly remove: () => Promise<void>;
}

/**
 * Compiles a fixture in TypeScript, and what it imports of `src`, into one file of JavaScript: a process starts with it several
 * times sooner than with a loader that compiles each file anew, and runs what users run.
 *
 * @param fixture relative to this folder
 */
export async function compileFixture(fixture: string): Promise<CompiledFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'websub-fixture-'));
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'), 'dir');
  const bundle = await rolldown({
    input: join(root, 'test', fixture),
    platform: 'node',
    external: /^[^./]/,
  });
  const file = join(directory, `${basename(fixture, '.ts')}.mjs`);
  await bundle.write({ file });
  await bundle.close();
  return { file, remove: () => rm(directory, { recursive: true, force: true }) };
}
