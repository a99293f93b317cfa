import assert from 'node:assert/strict';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { runCommand, tryCommand } from './command.js';
import { drive } from './drive.js';
import { PROGRAMS } from './environment.js';
import { writeFiles } from './project.js';
import { registryOf } from './registry.js';

const NPX = ['--yes', '--prefer-offline'];

/** Package managers other than npm. Each install is a separate case, with a cache inside the project's folder. */
export async function packageManagerCases(folder, tarball) {
  const registry = await registryOf(folder);
  const managers = { pnpm, 'yarn 1': yarnClassic, 'yarn 4': yarnBerry };
  return Object.entries(managers).map(([name, check]) => ({
    name: `${name} ${check.about}`,
    async run() {
      const project = join(folder, name.replace(' ', '-'));
      await mkdir(project);
      const dependencies = { 'websub-subscriber': `file:${tarball}` };
      const manifest = { name: 'project', version: '1.0.0', private: true, type: 'module', dependencies };
      await writeFiles(project, { 'package.json': manifest, '.npmrc': registry.npmrc });
      await cp(PROGRAMS, join(project, 'programs'), { recursive: true });
      await check({ project, registry });
    },
  }));
}

const runProgram = (project, node = []) =>
  drive({
    args: [...node, 'programs/own-listener.js'],
    cwd: project,
    prints: 'raw',
    home: null,
    store: 'lmdb://.websub',
  });

/** pnpm runs no unapproved install script, and fails until each is approved or denied. The package needs none. */
async function pnpm({ project, registry }) {
  const home = { XDG_CACHE_HOME: project, XDG_DATA_HOME: project, XDG_STATE_HOME: project };
  const options = { cwd: project, env: { ...registry.env, ...home } };
  const dlx = [...NPX, '--package', 'pnpm@12', 'pnpm'];
  const install = [...dlx, 'install', `--config.store-dir=${join(project, '.store')}`];
  const { code, output } = await tryCommand('npx', install, options);
  assert.equal(code, 1, output);
  assert.match(output, /ERR_PNPM_IGNORED_BUILDS/);
  assert.match(output, /build scripts: lmdb@[\d.]+, msgpackr-extract@[\d.]+$/m);
  await runCommand('npx', [...dlx, 'approve-builds', '!lmdb', '!msgpackr-extract'], options);
  await runCommand('npx', install, options);
  await runProgram(project);
}
pnpm.about = 'installs once both install scripts are denied, and the program runs';

async function yarnClassic({ project, registry }) {
  const yarn = [...NPX, '--package', 'yarn@1', 'yarn'];
  const install = ['install', '--non-interactive', '--no-progress', '--cache-folder', join(project, '.cache')];
  await runCommand('npx', [...yarn, ...install], { cwd: project, env: registry.env });
  await runProgram(project);
}
yarnClassic.about = 'installs, and the program runs';

async function yarnBerry({ project, registry }) {
  const yarn = [...NPX, '--package', '@yarnpkg/cli-dist@4', 'yarn'];
  const env = {
    ...registry.env,
    YARN_CACHE_FOLDER: join(project, '.cache'),
    YARN_ENABLE_GLOBAL_CACHE: 'false',
    YARN_GLOBAL_FOLDER: join(project, '.yarn-global'),
    YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
    YARN_NODE_LINKER: 'pnp',
  };
  // Without a lock file, yarn would look for a project in the parent folders.
  await writeFiles(project, { 'yarn.lock': '' });
  await runCommand('npx', [...yarn, 'install'], { cwd: project, env });
  // Same options as `yarn node`.
  const loader = pathToFileURL(join(project, '.pnp.loader.mjs')).href;
  await runProgram(project, ['--require', join(project, '.pnp.cjs'), '--experimental-loader', loader]);
}
yarnBerry.about = "with Plug'n'Play installs, and the program runs";
