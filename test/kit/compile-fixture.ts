import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown, type OutputOptions, type RolldownOptions } from 'rolldown';
import { threadBundle } from '../../.ci/rolldown.config.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A compiled fixture in a temporary directory. */
export interface CompiledFixture {
  readonly file: string;
  /** Removes the directory. */
  readonly remove: () => Promise<void>;
}

/**
 * Compiles a fixture in TypeScript, with its imports from `src`, into one file of JavaScript. A process starts several
 * times faster with this file than with a loader that compiles each file, and runs the same code as users do.
 *
 * This file works without Vitest: the fuzzer and the attack scenarios run as plain programs. Tests use
 * `compiledFixture()`.
 *
 * @param fixture relative to `test`
 */
export async function compileFixture(fixture: string): Promise<CompiledFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'websub-fixture-'));
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'), 'dir');
  const file = join(directory, `${basename(fixture, '.ts')}.mjs`);
  await bundle({ input: join(root, 'test', fixture), platform: 'node', external: /^[^./]/, output: { file } });
  // As in the package, the code of a thread is a file beside the code that starts it.
  await bundle({ ...threadBundle, output: { ...threadBundle.output, dir: directory } });
  await writeFile(join(directory, 'package.json'), '{"type":"module"}');
  return { file, remove: () => rm(directory, { recursive: true, force: true }) };
}

async function bundle({ output, ...input }: RolldownOptions & { readonly output: OutputOptions }): Promise<void> {
  const build = await rolldown(input);
  await build.write(output);
  await build.close();
}
