import type { Server } from 'node:http';
import type { Keyv } from 'keyv';
import type { TlsOptions } from '../../http/listen/listener.js';
import type { Logger } from '../../logger.js';
import type { DependencyContainer } from '../services/tsyringe.js';

/** A public way to this machine. */
export interface Tunnel {
  readonly url: string;
  close(): unknown;
}

/** Bounds against hubs and strangers that mean harm, or do it without meaning to. */
export interface SecurityOptions {
  /** Bytes of content accepted, and of content once decoded; more is answered 413. @default 10_485_760 */
  readonly maxBodyBytes?: number | undefined;
  /** Milliseconds a body may take to arrive; then it is answered 408. @default 30_000 */
  readonly bodyTimeoutMs?: number | undefined;
  /**
   * Memory limit in bytes for all bodies being received or decoded. Above it, the body that has been idle longest is dropped:
   * 408 while it is received, 503 while it is decoded. One grant may use a quarter, or `maxBodyBytes` if that is more.
   * @default 67_108_864
   */
  readonly maxInFlightBytes?: number | undefined;
  /**
   * Open connections on the runtime's own server. On Linux at most the open-files limit less 512, or a quarter of that limit if
   * that is more. @default 10_000
   */
  readonly maxConnections?: number | undefined;
  /**
   * Milliseconds an operation of a store may take: opening it, each read and write, and each commit of LMDB. It is less if the
   * hub's answer is due sooner: 9 s after the request. @default 5_000
   */
  readonly storeTimeoutMs?: number | undefined;
  /** Let public pages lead to hubs in private networks. @default false */
  readonly allowPrivateNetworks?: boolean | undefined;
  /** Send secrets over plain HTTP to hubs on other machines. @default false */
  readonly allowInsecureSecret?: boolean | undefined;
  /** Requests in flight per hub, or publisher, by the origin of its URL; further ones wait. @default 8 */
  readonly hubConcurrency?: number | undefined;
  /** Seconds; a longer lease is cut to this. @default 31_536_000 */
  readonly maxLeaseSeconds?: number | undefined;
  /** Seconds. Used if the hub sends no valid lease. If you asked for a shorter lease, that one is used. @default 86_400 */
  readonly defaultLeaseSeconds?: number | undefined;
  /** Seconds; a longer lease is renewed as if it were this long, so that a hub that forgot us is noticed. @default 864_000 */
  readonly maxRenewalSeconds?: number | undefined;
  /**
   * Encrypts stored secrets and callbacks with AES-256-GCM. A key is 32 random bytes in base64 or base64url. Of several keys the
   * first seals and each opens, so that a key can be replaced. @default the environment's `WEBSUB_SEAL_KEY`, else nothing is sealed
   */
  readonly sealKey?: string | readonly string[] | undefined;
}

/**
 * When to look after what was lost, as cron expressions. Whatever comes due is done to the second: these are a safety net.
 */
export interface ScheduleOptions {
  /** Any subscription about which something should have been done by now. @default '0 * * * *' */
  readonly refresh?: string | undefined;
  /** Those of them that failed, or wait to be tried. @default '*\/10 * * * *' */
  readonly retry?: string | undefined;
  /** What ended thirty days ago is forgotten. @default '0 3 * * *' */
  readonly sweep?: string | undefined;
}

/** How a runtime is started. */
export interface StartOptions {
  /** The port to listen on; 0 picks a free one. @default 9090, or the environment's `PORT` */
  readonly port?: number | undefined;
  /** The address to listen on. @default all interfaces */
  readonly host?: string | undefined;
  /**
   * Somebody else's server to answer callbacks on; it listens and closes by its owner. Hubs are asked once it listens.
   * Outside `basePath`, alone and below the public URL's path, its own pages stay its own: a GET is ours only with a
   * `hub.mode`, a POST only where its path ends in a callback's token or whole path.
   */
  readonly server?: Server | undefined;
  /** Serve HTTPS: key and certificate, as node:tls takes them. */
  readonly tls?: TlsOptions | undefined;
  /** Listen nowhere: `runtime.fetch` or `runtime.nodeHandler` is mounted by hand. Needs `publicUrl`. @default false */
  readonly manual?: boolean | undefined;
  /**
   * Ask hubs only when `runtime.begin()` is called. For an application that listens some time after `startService` has
   * resolved: until then a hub could not verify. @default false
   */
  readonly deferRequests?: boolean | undefined;
  /** What comes between the public URL and a callback's token. @default '/websub' */
  readonly basePath?: string | undefined;
  /** This machine as hubs see it. @default `http://localhost:<port>`, or the environment's `WEBSUB_PUBLIC_URL` */
  readonly publicUrl?: string | undefined;
  /** Opens a public way to a local address, such as `http://localhost:9090`. */
  readonly tunnel?: ((address: string) => Promise<Tunnel>) | undefined;
  /**
   * Where state is kept: a Keyv, a URI (`lmdb://dir`, `redis://`, `postgres://`, `mysql://`, `sqlite://file`) or
   * `'memory'`. A URI may end in `?namespace=name` (1 to 64 letters, digits, `.`, `_`, `-`): records and owner lock are then
   * that namespace's own, so that several processes share one directory or server. @default 'lmdb://.websub', or the environment's `WEBSUB_STORE`
   */
  readonly store?: Keyv | string | undefined;
  /**
   * Seconds to wait for another process to give the store up, as a rolling deployment needs. 0 rejects at once with the
   * StoreError that names the owner. A store server that cannot be reached is not waited for. @default 0
   */
  readonly waitForStoreSeconds?: number | undefined;
  /** The tsyringe container whose child constructs the services. @default tsyringe's root container */
  readonly container?: DependencyContainer | undefined;
  /** A pino-compatible logger, or false for none. @default pino, at the level of the environment's `LOG_LEVEL` */
  readonly logger?: Logger | false | undefined;
  readonly schedule?: ScheduleOptions | undefined;
  /** Reject where the first discovery or subscription request fails, instead of trying again. @default false */
  readonly failFast?: boolean | undefined;
  /** Unsubscribe what is stored as declared and the code no longer declares. @default false */
  readonly pruneDeclared?: boolean | undefined;
  /** Seconds a stop may take. @default 20 */
  readonly gracefulShutdownSeconds?: number | undefined;
  /** Stop at SIGINT and SIGTERM, then raise them again. @default true where the runtime listens itself */
  readonly handleSignals?: boolean | undefined;
  readonly security?: SecurityOptions | undefined;
}
