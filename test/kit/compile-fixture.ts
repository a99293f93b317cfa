import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown, type OutputOptions, type RolldownOptions } from 'rolldown';
import { threadBundle } from '../../rolldown.config.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

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
  await bundle({ input: join(root, 'test', fixture), platform: 'node', external: /^[^./]/, output: { file } });
  // What a thread runs lies beside what starts the thread, as in the package.
  await bundle({ ...threadBundle, output: { ...threadBundle.output, dir: directory } });
  await writeFile(join(directory, 'package.json'), '{"type":"module"}');
  return { file, remove: () => rm(directory, { recursive: true, force: true }) };
}

async function bundle({ output, ...input }: RolldownOptions & { readonly output: OutputOptions }): Promise<void> {
  const build = await rolldown(input);
  await build.write(output);
  await build.close();
}
