import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const MANIFESTS = ['package.json', 'package-lock.json'];
const NOTE = 'node_modules/.installed-for';

/** Whether what the manifests ask for is in the folder. */
export function areInstalled(folder: URL): boolean {
  const note = new URL(NOTE, folder);
  return existsSync(note) && readFileSync(note, 'utf8') === digestOf(folder);
}

/**
 * Installs the peers, unless they are there: npm is asked once for each state of the manifests.
 *
 * @throws Error that says how to go on without them
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
      // npm needs its registry. Without these options the tests' guard, which refuses all but loopback, is not in its way.
      env: { ...process.env, NODE_OPTIONS: undefined },
      // Its own output is none of ours, which may be JSON.
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
