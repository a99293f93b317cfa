import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as htmlparser2 from 'htmlparser2';
import { expect, it } from 'vitest';
import { onDemand, packageLoader } from '../src/on-demand.js';
import { temporaryDirectory } from './kit/temporary-directory.js';

it('onDemand() loads the same package that `import` loads', () => {
  expect(onDemand('htmlparser2').Parser).toBe(htmlparser2.Parser);
});

it('onDemand() reports which package cannot be loaded, why, and what to do', () => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as if one of them were not installed.
  expect(() => onDemand('not-installed' as 'undici')).toThrow(
    /^The package not-installed, .*: Cannot find module 'not-installed'\. Reinstall .*exclude websub-subscriber from the bundle/,
  );
});

/** A package with two files that require each other, and a scoped package. */
const FILES = {
  'node_modules/parts/package.json': '{ "name": "parts", "version": "1.0.0", "main": "lib/index.js" }',
  'node_modules/parts/lib/index.js':
    "exports.first = 1; exports.part = require('./part'); exports.last = require('./last');",
  'node_modules/parts/lib/part.js': "const whole = require('./index'); exports.lastOfWhole = () => whole.last;",
  'node_modules/parts/lib/last.js': "module.exports = 'the last';",
  'node_modules/@scope/one/package.json':
    '{ "name": "@scope/one", "version": "1.0.0", "exports": { "./sub": "./sub.js" } }',
  'node_modules/@scope/one/sub.js': 'exports.sub = true;',
};

function installPackages(): { readonly pathOf: (path: string) => string; readonly load: (name: string) => unknown } {
  const folder = temporaryDirectory();
  const pathOf = (path: string): string => join(folder, path);
  for (const [path, text] of Object.entries(FILES)) {
    mkdirSync(dirname(pathOf(path)), { recursive: true });
    writeFileSync(pathOf(path), text);
  }
  return { pathOf, load: packageLoader(pathOf('index.js')) };
}

it.each([
  ['its folder', 'node_modules/parts'],
  ['its package.json', 'node_modules/parts/package.json'],
  ['its entry', 'node_modules/parts/lib/index.js'],
  ['a file deep in it', 'node_modules/parts/lib/last.js'],
  ['the whole of node_modules', 'node_modules'],
])(
  'a package loader retries a package on each call while %s is missing, and loads it afterwards',
  (_case, missingPath) => {
    const { pathOf, load } = installPackages();
    renameSync(pathOf(missingPath), pathOf('away'));
    for (let attempt = 0; attempt < 3; attempt += 1) expect(() => load('parts')).toThrow(/^The package parts\b/);
    renameSync(pathOf('away'), pathOf(missingPath));
    const loaded = load('parts');
    expect(loaded).toMatchObject({ first: 1, last: 'the last' });
    expect(load('parts')).toBe(loaded);
  },
);

it('a package loader discards all modules of a failed load, because their dependencies may be incomplete', () => {
  const { pathOf, load } = installPackages();
  renameSync(pathOf('node_modules/parts/lib/last.js'), pathOf('away'));
  expect(() => load('parts')).toThrow("Cannot find module './last'");
  renameSync(pathOf('away'), pathOf('node_modules/parts/lib/last.js'));
  const { part } = Object(load('parts'));
  expect(part.lastOfWhole()).toBe('the last');
});

it('a package loader retries a package that threw while it loaded, and reads its files again', () => {
  const { pathOf, load } = installPackages();
  writeFileSync(pathOf('node_modules/parts/lib/last.js'), "throw new Error('not today');");
  expect(() => load('parts')).toThrow(': not today.');
  writeFileSync(pathOf('node_modules/parts/lib/last.js'), "module.exports = 'the new last';");
  expect(load('parts')).toMatchObject({ last: 'the new last' });
});

it('a package loader needs no file of a package after it is loaded', () => {
  const { pathOf, load } = installPackages();
  const loaded = [load('parts'), load('@scope/one/sub')];
  rmSync(pathOf('node_modules'), { recursive: true });
  expect([load('parts'), load('@scope/one/sub')]).toEqual(loaded);
  expect(load('parts')).toBe(loaded[0]);
  expect(loaded[1]).toEqual({ sub: true });
});

it('a package loader retries a scoped package', () => {
  const { pathOf, load } = installPackages();
  renameSync(pathOf('node_modules/@scope/one/package.json'), pathOf('away'));
  expect(() => load('@scope/one/sub')).toThrow("Cannot find module '@scope/one/sub'");
  renameSync(pathOf('away'), pathOf('node_modules/@scope/one/package.json'));
  expect(load('@scope/one/sub')).toEqual({ sub: true });
});

it('a package loader loads a bundled package from its one file, and from node_modules if nothing is built', () => {
  const { pathOf, load } = installPackages();
  mkdirSync(pathOf('packages'));
  mkdirSync(pathOf('node_modules/htmlparser2'));
  writeFileSync(pathOf('packages/feedsmith.cjs'), "exports.from = 'the build';");
  writeFileSync(pathOf('node_modules/htmlparser2/package.json'), '{ "name": "htmlparser2", "main": "index.js" }');
  writeFileSync(pathOf('node_modules/htmlparser2/index.js'), "exports.from = 'node_modules';");
  expect([load('feedsmith'), load('htmlparser2')]).toEqual([{ from: 'the build' }, { from: 'node_modules' }]);
});

it('a package loader retries the one file of a bundled package', () => {
  const { pathOf, load } = installPackages();
  expect(() => load('feedsmith')).toThrow("Cannot find module 'feedsmith'");
  mkdirSync(pathOf('packages'));
  writeFileSync(pathOf('packages/feedsmith.cjs'), "exports.from = 'the build';");
  expect(load('feedsmith')).toEqual({ from: 'the build' });
});
