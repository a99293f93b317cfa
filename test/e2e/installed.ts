import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { rolldown as bundled } from 'rolldown';
import { afterAll } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);
const rolldown = [join(root, 'node_modules/rolldown/bin/cli.mjs'), '-c'];

/** A program in a folder of its own, with this package as it is built and copies of its dependencies. */
export interface Installed {
  readonly program: string;
  readonly modules: string;
}

/**
 * Builds the package and installs it, with what it depends on and nothing else, beside a program that imports it.
 *
 * @param program relative to `fixtures`
 */
export async function installed(program: string): Promise<Installed> {
  const folder = await mkdtemp(join(tmpdir(), 'websub-installed-'));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  const modules = join(folder, 'node_modules');
  const own = join(modules, 'websub-subscriber');
  await mkdir(own, { recursive: true });
  const packages = ['package.json', ...(await dependencies())];
  for (const path of packages)
    await cp(join(root, path), join(path === 'package.json' ? own : folder, path), { recursive: true });
  await run(process.execPath, [...rolldown, 'rolldown.config.ts', '--dir', join(own, 'dist')], { cwd: root });
  const file = join(folder, 'program.mjs');
  const bundle = await bundled({ input: join(root, 'test/e2e/fixtures', program), external: /^[^./]/ });
  await bundle.write({ file });
  await bundle.close();
  return { program: file, modules };
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** The folders of all packages that this one needs at run time, relative to its own. */
async function dependencies(): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  const add = async (manifest: string): Promise<void> => {
    const read: Manifest = JSON.parse(await readFile(manifest, 'utf8'));
    const { dependencies = {}, optionalDependencies = {} } = read;
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const path = `node_modules/${name}`;
      if (found.has(path) || (name in optionalDependencies && !existsSync(join(root, path)))) continue;
      found.add(path);
      await add(join(root, path, 'package.json'));
    }
  };
  await add(join(root, 'package.json'));
  return found;
}
