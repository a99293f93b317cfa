import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const MANIFESTS = ['package.json', 'package-lock.json'];
const NOTE = 'node_modules/.installed-for';

/** Whether the packages of the current manifests are installed in the folder. */
export function areInstalled(folder: URL): boolean {
  const note = new URL(NOTE, folder);
  return existsSync(note) && readFileSync(note, 'utf8') === digestOf(folder);
}

/**
 * Installs the peers with npm, once per state of the manifests.
 *
 * @throws Error that explains how to continue without the peers
 */
export function installPeers(folder: URL, onProgress: (what: string) => void): void {
  if (areInstalled(folder)) return;
  const cwd = fileURLToPath(folder);
  onProgress(`installing the peers into ${cwd}: npm is asked this once`);
  const { status, error } = spawnSync(
    'npm',
    ['ci', '--prefix', cwd, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel', 'error'],
    {
      cwd,
      // npm needs its registry. Without NODE_OPTIONS, the tests' loopback guard does not block it.
      env: { ...process.env, NODE_OPTIONS: undefined },
      // npm's output must not mix with ours, which can be JSON.
      stdio: ['ignore', 2, 2],
      shell: process.platform === 'win32',
    },
  );
  if (status !== 0) {
    throw new Error(
      `The peers could not be installed: npm ci in ${cwd} ${error === undefined ? `ended with ${status}` : `failed (${error.message})`}. ` +
        'Run with --no-peers to measure everything else, or name the rows you want by --only',
    );
  }
  mkdirSync(new URL('node_modules/', folder), { recursive: true });
  writeFileSync(new URL(NOTE, folder), digestOf(folder));
}

function digestOf(folder: URL): string {
  const hash = createHash('sha256');
  for (const name of MANIFESTS) hash.update(readFileSync(new URL(name, folder)));
  return hash.digest('hex');
}
