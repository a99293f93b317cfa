import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { areInstalled, installPeers } from './install.js';

let path: string;
let folder: URL;

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'websub-peers-'));
  folder = pathToFileURL(path + sep);
  // Nothing to install: npm needs no registry for it.
  await manifest({ name: 'peers', version: '1.0.0' });
});

afterEach(() => rm(path, { recursive: true, force: true }));

async function manifest(content: object): Promise<void> {
  await writeFile(join(path, 'package.json'), JSON.stringify(content));
  const lock = { ...content, lockfileVersion: 3, packages: { '': content } };
  await writeFile(join(path, 'package-lock.json'), JSON.stringify(lock));
}

it('asks npm once, says so, and asks again only for another manifest', async () => {
  const said: string[] = [];
  const install = (): void => installPeers(folder, (what) => void said.push(what));
  expect(areInstalled(folder)).toBe(false);
  install();
  expect(areInstalled(folder)).toBe(true);
  install();
  expect(said).toEqual([expect.stringMatching(/^installing the peers .*npm is asked this once/)]);
  await manifest({ name: 'peers', version: '1.0.1' });
  expect(areInstalled(folder)).toBe(false);
});

it('ends with how to go on where npm cannot install', async () => {
  await writeFile(join(path, 'package-lock.json'), '{');
  expect(() => installPeers(folder, () => {})).toThrow(/could not be installed: npm ci .* --no-peers/);
  expect(areInstalled(folder)).toBe(false);
});
