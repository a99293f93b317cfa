import { closeSync, openSync } from 'node:fs';
import type * as Https from 'node:https';
import { createRequire, isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import type * as Tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import type * as Cron from 'cron';
import type * as Feedsmith from 'feedsmith';
import type * as Htmlparser2 from 'htmlparser2';
import type Ipaddr from 'ipaddr.js';
import type * as Lmdb from 'lmdb';
import type * as Ofetch from 'ofetch';
import type * as Pino from 'pino';
import type * as Tsyringe from 'tsyringe';
import type * as Undici from 'undici';

/**
 * Packages that are bundled into this one, and their exports in use. Each becomes one file. The 150 files of feedsmith
 * take five times as long to load, and need further packages that may be missing.
 */
export const BUILT_IN = {
  feedsmith: ['DetectError', 'ParseError', 'parseAtomFeed', 'parseRdfFeed', 'parseRssFeed'],
  htmlparser2: ['Parser', 'QuoteType', 'Tokenizer'],
} as const;

/** Packages and Node.js modules that are slow to load, by name. */
interface Packages {
  readonly cron: typeof Cron;
  readonly feedsmith: Pick<typeof Feedsmith, (typeof BUILT_IN.feedsmith)[number]>;
  readonly htmlparser2: Pick<typeof Htmlparser2, (typeof BUILT_IN.htmlparser2)[number]>;
  readonly 'ipaddr.js': typeof Ipaddr;
  readonly lmdb: typeof Lmdb;
  readonly 'node:https': typeof Https;
  readonly 'node:tls': typeof Tls;
  readonly ofetch: typeof Ofetch;
  readonly pino: typeof Pino;
  readonly 'reflect-metadata': unknown;
  readonly tsyringe: typeof Tsyringe;
  readonly undici: typeof Undici;
  // Single files of undici: see `undiciModules`.
  readonly 'undici/lib/api/api-request.js': Undici.Dispatcher['request'];
  readonly 'undici/lib/core/connect.js': typeof Undici.buildConnector;
  readonly 'undici/lib/core/errors.js': typeof Undici.errors;
  readonly 'undici/lib/dispatcher/agent.js': typeof Undici.Agent;
  readonly 'undici/lib/dispatcher/client.js': typeof Undici.Client;
}

/** The name of a package that is loaded on demand. */
export type PackageName = keyof Packages;

type Require = ReturnType<typeof createRequire>;

const loadPackage = packageLoader(import.meta.url);

/**
 * Returns a dependency, and loads it on the first call. An `import` of this package loads no dependency that may never
 * be used. A runtime loads all it needs while it starts (see `loadPackages`).
 *
 * It uses `require`: most callers are synchronous, and `import` is slower and never retries a package that failed once.
 *
 * @throws Error that names the package and the remedy. The next call tries again.
 */
export function onDemand<Name extends PackageName>(name: Name): Packages[Name] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `require` has no type.
  return loadPackage(name) as Packages[Name];
}

/**
 * Returns a loader for the packages that a file can require. A loaded package no longer needs its files
 * on disk. A failed load leaves nothing in the cache: the next call reads from the disk again.
 */
export function packageLoader(file: string): (name: string) => unknown {
  const require = createRequire(file);
  const folder = dirname(file.startsWith('file:') ? fileURLToPath(file) : file);
  const loaded = new Map<string, unknown>();
  return (name) => {
    if (!loaded.has(name)) loaded.set(name, requireFresh(require, folder, name));
    return loaded.get(name);
  };
}

function requireFresh(require: Require, folder: string, name: string): unknown {
  const loadedBefore = new Set(Object.keys(require.cache));
  try {
    const builtIn = join(folder, 'packages', `${name}.cjs`);
    if (name in BUILT_IN && fileExists(builtIn)) return require(builtIn);
    if (!isBuiltin(name)) checkInstalled(require, name);
    return require(name);
  } catch (cause) {
    // Files that did load may refer to a file that did not.
    for (const path of Object.keys(require.cache))
      if (!loadedBefore.has(path)) Reflect.deleteProperty(require.cache, path);
    const reason = cause instanceof Error ? cause.message.split('\n', 1)[0] : String(cause);
    throw new Error(
      `The package ${name}, which websub-subscriber needs, could not be loaded: ${reason}. ` +
        'Reinstall the dependencies. If your program is bundled, exclude websub-subscriber from the bundle',
      { cause },
    );
  }
}

/**
 * Opens a package's package.json before Node.js does. If Node.js once cannot read the file (it is missing, or no
 * descriptor is free), Node.js treats the package as missing until the process ends.
 */
function checkInstalled(require: Require, name: string): void {
  const [first = '', second = ''] = name.split('/');
  const folder = first.startsWith('@') ? join(first, second) : first;
  const moduleFolders = require.resolve.paths(name) ?? [];
  if (moduleFolders.some((modules) => fileExists(join(modules, folder, 'package.json')))) return;
  // Yarn's Plug'n'Play has no such folders.
  if (process.versions['pnp'] === undefined) throw new Error(`Cannot find module '${name}'`);
}

/** @throws the file system's error if the file may exist but cannot be opened */
function fileExists(path: string): boolean {
  try {
    closeSync(openSync(path, 'r'));
    return true;
  } catch (error) {
    // No `instanceof`: in Jest, errors of Node.js belong to another realm.
    const { code }: { code?: unknown } = Object(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    throw error;
  }
}
