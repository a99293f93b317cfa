import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from './command.js';

const INSTALL = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];

/** Writes files into a folder. Objects become JSON. */
export async function writeFiles(folder, files) {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, typeof content === 'string' ? content : `${JSON.stringify(content, undefined, 2)}\n`);
  }
}

/** Installs packages with npm into a new project. Rejects when the install fails. */
export async function installProject(folder, packages, manifest = {}) {
  await writeFiles(folder, { 'package.json': { private: true, type: 'module', ...manifest } });
  await runCommand('npm', [...INSTALL, ...packages], { cwd: folder });
  return folder;
}
