import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { rolldown as bundled } from 'rolldown';
import { afterAll } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);
const rolldown = [join(root, 'node_modules/rolldown/bin/cli.mjs'), '-c'];

/** Programs in a folder of their own, with this package as it is built and copies of its dependencies. */
export interface Installed {
  /** The programs, in the order of their fixtures. */
  readonly programs: readonly string[];
  readonly modules: string;
}

/**
 * Builds the package and installs it, with what it depends on and nothing else, beside programs that import it.
 *
 * @param fixtures relative to the folder of that name
 */
export async function installed(...fixtures: readonly string[]): Promise<Installed> {
  const folder = await mkdtemp(join(tmpdir(), 'websub-installed-'));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  const modules = join(folder, 'node_modules');
  const own = join(modules, 'websub-subscriber');
  await mkdir(own, { recursive: true });
  const packages = ['package.json', ...(await dependencies())];
  for (const path of packages)
    await cp(join(root, path), join(path === 'package.json' ? own : folder, path), { recursive: true });
  await run(process.execPath, [...rolldown, 'rolldown.config.ts', '--dir', join(own, 'dist')], { cwd: root });
  const programs: string[] = [];
  for (const fixture of fixtures) {
    const file = join(folder, `${basename(fixture, '.ts')}.mjs`);
    const bundle = await bundled({ input: join(root, 'test/e2e/fixtures', fixture), external: /^[^./]/ });
    await bundle.write({ file });
    await bundle.close();
    programs.push(file);
  }
  return { programs, modules };
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
