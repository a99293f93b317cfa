import type * as Https from 'node:https';
import { createRequire } from 'node:module';
import type * as Tls from 'node:tls';
import type * as Cron from 'cron';
import type * as Feedsmith from 'feedsmith';
import type * as H3 from 'h3';
import type * as H3Node from 'h3/node';
import type * as Htmlparser2 from 'htmlparser2';
import type Ipaddr from 'ipaddr.js';
import type * as Lmdb from 'lmdb';
import type * as Ofetch from 'ofetch';
import type * as Pino from 'pino';
import type * as Tsyringe from 'tsyringe';
import type * as Undici from 'undici';

/** The packages that take their time to load, by name; so do two modules of Node.js. */
interface Packages {
  readonly cron: typeof Cron;
  readonly feedsmith: typeof Feedsmith;
  readonly h3: typeof H3;
  readonly 'h3/node': typeof H3Node;
  readonly htmlparser2: typeof Htmlparser2;
  readonly 'ipaddr.js': typeof Ipaddr;
  readonly lmdb: typeof Lmdb;
  readonly 'node:https': typeof Https;
  readonly 'node:tls': typeof Tls;
  readonly ofetch: typeof Ofetch;
  readonly pino: typeof Pino;
  readonly 'reflect-metadata': unknown;
  readonly tsyringe: typeof Tsyringe;
  readonly undici: typeof Undici;
}

const require = createRequire(import.meta.url);

/**
 * A package of ours, loaded when it is first asked for: a start is not to wait for what it does not use. By `require`,
 * since most of those who need one cannot wait, since nobody then finds it half loaded, and since `import` first searches
 * all that is CommonJS for its exports, which takes longer than running it.
 *
 * @throws Error that names the package and says what to do
 */
export function onDemand<Name extends keyof Packages>(name: Name): Packages[Name] {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what `require` returns has no type.
    return require(name) as Packages[Name];
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n', 1)[0] : String(cause);
    throw new Error(
      `The package ${name}, which websub-subscriber needs, could not be loaded: ${reason}. ` +
        'Install the dependencies anew; where a program is bundled, leave websub-subscriber out of the bundle',
      { cause },
    );
  }
}
