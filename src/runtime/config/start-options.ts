import type { Server } from 'node:http';
import type { Keyv } from 'keyv';
import type { TlsOptions } from '../../http/listen/listener.js';
import type { Logger } from '../../logger.js';
import type { DependencyContainer } from '../services/tsyringe.js';

/**
 * A tunnel from a public URL to this machine.
 *
 * @example
 * ```ts
 * await startService(FeedReader, {
 *   tunnel: async (address) => {
 *     const listener = await ngrok.forward({ addr: address });
 *     return { url: listener.url(), close: () => listener.close() };
 *   },
 * });
 * ```
 */
export interface Tunnel {
  /** The public http or https URL. */
  readonly url: string;
  /** Closes the tunnel. Called when the runtime stops. */
  close(): unknown;
}

/** Limits that protect the process from hubs, publishers and strangers. */
export interface SecurityOptions {
  /** Maximum size of content in bytes, as received and once decoded. Larger content gets 413. @default 10_485_760 */
  readonly maxBodyBytes?: number | undefined;
  /** Milliseconds a body may take to arrive. Then it gets 408. @default 30_000 */
  readonly bodyTimeoutMs?: number | undefined;
  /**
   * Memory limit in bytes for all bodies being received or decoded. Above it, the body that has been idle longest is
   * dropped: 408 while it is received, 503 while it is decoded. One grant may use a quarter, or `maxBodyBytes` if that
   * is more. @default 67_108_864
   */
  readonly maxInFlightBytes?: number | undefined;
  /**
   * Maximum number of open connections on the runtime's own server. On Linux, the open-files limit lowers it: to that
   * limit minus 512, or to a quarter of it if that is more. @default 10_000
   */
  readonly maxConnections?: number | undefined;
  /**
   * Milliseconds one store operation may take: opening the store, each read and write, and each LMDB commit. The limit
   * is shorter if the answer to a hub is due sooner, 9 seconds after its request. @default 5_000
   */
  readonly storeTimeoutMs?: number | undefined;
  /** Allows public pages to lead to hubs in private networks. @default false */
  readonly allowPrivateNetworks?: boolean | undefined;
  /** Allows secrets over plain HTTP to hubs on other machines. @default false */
  readonly allowInsecureSecret?: boolean | undefined;
  /** Maximum requests in flight per origin of a hub or publisher. More requests wait. @default 8 */
  readonly hubConcurrency?: number | undefined;
  /** Maximum lease in seconds. A longer lease is cut to it. @default 31_536_000 */
  readonly maxLeaseSeconds?: number | undefined;
  /** Lease in seconds if the hub sends no valid one. A shorter requested lease is used instead. @default 86_400 */
  readonly defaultLeaseSeconds?: number | undefined;
  /**
   * Seconds. A longer lease is renewed as if it were this long. This way, a hub that lost the subscription is noticed.
   * @default 864_000
   */
  readonly maxRenewalSeconds?: number | undefined;
  /**
   * Encrypts stored secrets and callbacks with AES-256-GCM. A key is 32 random bytes in base64 or base64url. With
   * several keys, the first encrypts and all decrypt, so that a key can be replaced.
   * @default the environment's `WEBSUB_SEAL_KEY`, else nothing is encrypted
   */
  readonly sealKey?: string | readonly string[] | undefined;
}

/**
 * Cron expressions of the sweeps, in the process's time zone. Due work runs on time without a sweep. The sweeps are a
 * safety net for work that was missed.
 */
export interface ScheduleOptions {
  /** When to run all overdue work of subscriptions. @default '0 * * * *' */
  readonly refresh?: string | undefined;
  /** When to run the overdue work of subscriptions that failed or wait for a retry. @default '*\/10 * * * *' */
  readonly retry?: string | undefined;
  /**
   * When to delete old data: subscriptions that ended 30 days ago, dedupe keys of bodies older than the
   * longest `delivery.dedupeWindowSeconds`, and dead letters above their limits. @default '0 3 * * *'
   */
  readonly sweep?: string | undefined;
}

/**
 * Options of `startService`.
 *
 * @example
 * ```ts
 * const options: StartOptions = { publicUrl: 'https://me.example.com', store: 'lmdb:///var/lib/websub' };
 * ```
 */
export interface StartOptions {
  /** The port to listen on. 0 picks a free port. @default the environment's `PORT`, else 9090 */
  readonly port?: number | undefined;
  /** The address to listen on. @default all interfaces */
  readonly host?: string | undefined;
  /**
   * Your own server, which then also answers callbacks. You call `listen` and `close`. The first requests to hubs wait
   * until it listens.
   *
   * Paths below `basePath` belong to the callbacks, with or without the path of the public URL in front. Elsewhere your
   * pages stay yours: a GET is for a callback only with a `hub.mode`, a POST only if its path ends in a callback's
   * token or whole path. @default none
   */
  readonly server?: Server | undefined;
  /** Key and certificate for HTTPS, as `node:tls` takes them. @default HTTP */
  readonly tls?: TlsOptions | undefined;
  /** Does not listen: you mount `runtime.fetch` or `runtime.nodeHandler`. Needs `publicUrl`. @default false */
  readonly manual?: boolean | undefined;
  /**
   * Sends no request to a hub before `runtime.begin()`. For an application that listens after `startService` has
   * resolved: a hub cannot verify earlier. @default false
   */
  readonly deferRequests?: boolean | undefined;
  /** The path between the public URL and a callback's token. @default '/websub' */
  readonly basePath?: string | undefined;
  /**
   * The URL under which hubs reach this machine.
   * @default the environment's `WEBSUB_PUBLIC_URL`, else the tunnel's, else `http://localhost:<port>` with a warning
   */
  readonly publicUrl?: string | undefined;
  /** Opens a tunnel to a local address, for example to `http://localhost:9090`. @default none */
  readonly tunnel?: ((address: string) => Promise<Tunnel>) | undefined;
  /**
   * The store: a Keyv, a URI (`lmdb://dir`, `redis://`, `postgres://`, `mysql://`, `sqlite://file`) or `'memory'`.
   *
   * A URI may end in `?namespace=name` (1 to 64 letters, digits, `.`, `_`, `-`). Each namespace has its own records and
   * owner lock, so that several processes can share one directory or server.
   * @default the environment's `WEBSUB_STORE`, else 'lmdb://.websub'
   */
  readonly store?: Keyv | string | undefined;
  /**
   * Seconds to wait until another process releases the store, for rolling deployments. With 0, the start rejects at
   * once with a StoreError that names the owner. There is no wait for a store server that cannot be reached. @default 0
   */
  readonly waitForStoreSeconds?: number | undefined;
  /** The tsyringe container. A child of it constructs the services. @default tsyringe's root container */
  readonly container?: DependencyContainer | undefined;
  /** A pino-compatible logger, or `false` for none. @default pino, at the level of the environment's `LOG_LEVEL` */
  readonly logger?: Logger | false | undefined;
  /** When the sweeps run. @default {} */
  readonly schedule?: ScheduleOptions | undefined;
  /** Makes the start reject if a first discovery or subscribe request fails, instead of retrying. @default false */
  readonly failFast?: boolean | undefined;
  /** Unsubscribes stored subscriptions that the code once declared and no longer does. @default false */
  readonly pruneDeclared?: boolean | undefined;
  /** Seconds a stop may take, plus up to 2 if something hangs. @default 20 */
  readonly gracefulShutdownSeconds?: number | undefined;
  /** Stops at SIGINT and SIGTERM, then raises the signal again. @default true if the runtime listens itself */
  readonly handleSignals?: boolean | undefined;
  /** Limits against harm from outside. @default {} */
  readonly security?: SecurityOptions | undefined;
}
