import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { rolldown as bundle } from 'rolldown';

const root = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);
const rolldown = [join(root, 'node_modules/rolldown/bin/cli.mjs'), '-c'];

/** A folder with the built package, copies of its dependencies, and programs that import it. */
export interface InstalledPackage {
  /** The files of the programs, in the order of their fixtures. */
  readonly programs: readonly string[];
  /** The folder `node_modules`. */
  readonly modules: string;
}

/**
 * Builds the package and installs it with its dependencies, and nothing else, beside programs that import it.
 *
 * @param folder an empty folder
 * @param fixtures files in `test/e2e/fixtures`
 */
export async function installPackage(folder: string, ...fixtures: readonly string[]): Promise<InstalledPackage> {
  const modules = join(folder, 'node_modules');
  const installed = join(modules, 'websub-subscriber');
  await mkdir(installed, { recursive: true });
  const packages = ['package.json', ...(await dependencyFolders())];
  for (const path of packages)
    await cp(join(root, path), join(path === 'package.json' ? installed : folder, path), { recursive: true });
  await run(process.execPath, [...rolldown, '.ci/rolldown.config.ts', '--dir', join(installed, 'dist')], { cwd: root });
  const programs: string[] = [];
  for (const fixture of fixtures) {
    const file = join(folder, `${basename(fixture, '.ts')}.mjs`);
    const program = await bundle({ input: join(root, 'test/e2e/fixtures', fixture), external: /^[^./]/ });
    await program.write({ file });
    await program.close();
    programs.push(file);
  }
  return { programs, modules };
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** The folders of all packages that this one needs at run time, relative to the root. */
async function dependencyFolders(): Promise<ReadonlySet<string>> {
  const folders = new Set<string>();
  const add = async (manifestFile: string): Promise<void> => {
    const manifest: Manifest = JSON.parse(await readFile(manifestFile, 'utf8'));
    const { dependencies = {}, optionalDependencies = {} } = manifest;
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const path = `node_modules/${name}`;
      if (folders.has(path) || (name in optionalDependencies && !existsSync(join(root, path)))) continue;
      folders.add(path);
      await add(join(root, path, 'package.json'));
    }
  };
  await add(join(root, 'package.json'));
  return folders;
}
