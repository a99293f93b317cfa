import { writeFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeEach, expect, it } from 'vitest';
import { areInstalled, installPeers } from './install.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';

let path: string;
let folder: URL;

beforeEach(async () => {
  path = temporaryDirectory();
  folder = pathToFileURL(path + sep);
  // Nothing to install, so npm needs no registry.
  await writeManifest({ name: 'peers', version: '1.0.0' });
});

async function writeManifest(content: object): Promise<void> {
  await writeFile(join(path, 'package.json'), JSON.stringify(content));
  const lock = { ...content, lockfileVersion: 3, packages: { '': content } };
  await writeFile(join(path, 'package-lock.json'), JSON.stringify(lock));
}

it('installPeers() installs once with npm and reports it, until a manifest changes', async () => {
  const progress: string[] = [];
  const install = (): void => installPeers(folder, (message) => void progress.push(message));
  expect(areInstalled(folder)).toBe(false);
  install();
  expect(areInstalled(folder)).toBe(true);
  install();
  expect(progress).toEqual([expect.stringMatching(/^installing the peers .*npm is asked this once/)]);
  await writeManifest({ name: 'peers', version: '1.0.1' });
  expect(areInstalled(folder)).toBe(false);
});

it('installPeers() explains how to continue when npm cannot install', async () => {
  await writeFile(join(path, 'package-lock.json'), '{');
  expect(() => installPeers(folder, () => {})).toThrow(/could not be installed: npm ci .* --no-peers/);
  expect(areInstalled(folder)).toBe(false);
});
