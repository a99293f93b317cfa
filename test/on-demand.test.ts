import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as htmlparser2 from 'htmlparser2';
import { expect, it } from 'vitest';
import { onDemand, packageLoader } from '../src/on-demand.js';
import { temporaryDirectory } from './kit/temporary-directory.js';

it('loads the same package that `import` loads', () => {
  expect(onDemand('htmlparser2').Parser).toBe(htmlparser2.Parser);
});

it('reports which package cannot be loaded, why, and what to do', () => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as if one of them were not installed.
  expect(() => onDemand('not-installed' as 'undici')).toThrow(
    "The package not-installed, which websub-subscriber needs, could not be loaded: Cannot find module 'not-installed'. " +
      'Install the dependencies anew; where a program is bundled, leave websub-subscriber out of the bundle',
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

function installed(): { readonly at: (path: string) => string; readonly load: (name: string) => unknown } {
  const folder = temporaryDirectory();
  const at = (path: string): string => join(folder, path);
  for (const [path, text] of Object.entries(FILES)) {
    mkdirSync(dirname(at(path)), { recursive: true });
    writeFileSync(at(path), text);
  }
  return { at, load: packageLoader(at('index.js')) };
}

it.each([
  ['its folder', 'node_modules/parts'],
  ['its package.json', 'node_modules/parts/package.json'],
  ['its entry', 'node_modules/parts/lib/index.js'],
  ['a file deep in it', 'node_modules/parts/lib/last.js'],
  ['the whole of node_modules', 'node_modules'],
])('retries a package on each call: %s is missing, then it is back', (_case, missing) => {
  const { at, load } = installed();
  renameSync(at(missing), at('away'));
  for (let attempt = 0; attempt < 3; attempt += 1) expect(() => load('parts')).toThrow('The package parts, which');
  renameSync(at('away'), at(missing));
  const loaded = load('parts');
  expect(loaded).toMatchObject({ first: 1, last: 'the last' });
  expect(load('parts')).toBe(loaded);
});

it('discards everything from a failed load: loaded modules may have incomplete dependencies', () => {
  const { at, load } = installed();
  renameSync(at('node_modules/parts/lib/last.js'), at('away'));
  expect(() => load('parts')).toThrow("Cannot find module './last'");
  renameSync(at('away'), at('node_modules/parts/lib/last.js'));
  const { part } = Object(load('parts'));
  expect(part.lastOfWhole()).toBe('the last');
});

it('retries a package that threw while it loaded, with the files now on disk', () => {
  const { at, load } = installed();
  writeFileSync(at('node_modules/parts/lib/last.js'), "throw new Error('not today');");
  expect(() => load('parts')).toThrow('could not be loaded: not today.');
  writeFileSync(at('node_modules/parts/lib/last.js'), "module.exports = 'the new last';");
  expect(load('parts')).toMatchObject({ last: 'the new last' });
});

it('needs no file of a package after it is loaded', () => {
  const { at, load } = installed();
  const loaded = [load('parts'), load('@scope/one/sub')];
  rmSync(at('node_modules'), { recursive: true });
  expect([load('parts'), load('@scope/one/sub')]).toEqual(loaded);
  expect(load('parts')).toBe(loaded[0]);
  expect(loaded[1]).toEqual({ sub: true });
});

it('retries a scoped package', () => {
  const { at, load } = installed();
  renameSync(at('node_modules/@scope/one/package.json'), at('away'));
  expect(() => load('@scope/one/sub')).toThrow("Cannot find module '@scope/one/sub'");
  renameSync(at('away'), at('node_modules/@scope/one/package.json'));
  expect(load('@scope/one/sub')).toEqual({ sub: true });
});

it('loads a built-in package from its one file, and from node_modules when nothing is built', () => {
  const { at, load } = installed();
  mkdirSync(at('packages'));
  mkdirSync(at('node_modules/htmlparser2'));
  writeFileSync(at('packages/feedsmith.cjs'), "exports.from = 'the build';");
  writeFileSync(at('node_modules/htmlparser2/package.json'), '{ "name": "htmlparser2", "main": "index.js" }');
  writeFileSync(at('node_modules/htmlparser2/index.js'), "exports.from = 'node_modules';");
  expect([load('feedsmith'), load('htmlparser2')]).toEqual([{ from: 'the build' }, { from: 'node_modules' }]);
});

it('retries the one file of a built-in package', () => {
  const { at, load } = installed();
  expect(() => load('feedsmith')).toThrow("Cannot find module 'feedsmith'");
  mkdirSync(at('packages'));
  writeFileSync(at('packages/feedsmith.cjs'), "exports.from = 'the build';");
  expect(load('feedsmith')).toEqual({ from: 'the build' });
});
