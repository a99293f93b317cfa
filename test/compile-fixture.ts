import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
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
  const file = join(directory, `${basename(fixture, '.ts')}.mjs`);
  await bundleTo(file, join(root, 'test', fixture));
  // What a thread runs lies beside what starts the thread, as in the package.
  await bundleTo(join(directory, 'parse-worker.js'), join(root, 'src/feed/parse-worker.ts'));
  await writeFile(join(directory, 'package.json'), '{"type":"module"}');
  return { file, remove: () => rm(directory, { recursive: true, force: true }) };
}

async function bundleTo(file: string, input: string): Promise<void> {
  const bundle = await rolldown({ input, platform: 'node', external: /^[^./]/ });
  await bundle.write({ file });
  await bundle.close();
}
