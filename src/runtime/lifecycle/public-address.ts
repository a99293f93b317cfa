import type { Server } from 'node:http';
import { isIPv6 } from 'node:net';
import { ConfigurationError, ListenerError } from '../../errors.js';
import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import { isLoopback } from '../../protocol/loopback.js';
import type { CheckedOptions } from '../config/check-options.js';
import type { Tunnel } from '../config/start-options.js';

/** The public URL, and the tunnel to it if there is one. */
export interface PublicAddress {
  /** The public URL, without a trailing slash. */
  readonly url: string;
  readonly tunnel?: Tunnel;
}

/**
 * Decides the public URL: the option `publicUrl`, else the tunnel's URL, else the local address. Warns if the local
 * address is a loopback address.
 *
 * @param port the listening port; undefined if nothing listens yet, or it is unknown
 * @throws ConfigurationError if no URL can be decided
 * @throws ListenerError if the tunnel cannot be opened
 */
export async function resolvePublicAddress(
  options: Pick<CheckedOptions, 'publicUrl' | 'tunnel' | 'tls' | 'server' | 'host'>,
  port: number | undefined,
  logger: Logger,
): Promise<PublicAddress> {
  const scheme = isSecure(options) ? 'https' : 'http';
  const local = port === undefined ? undefined : `${scheme}://${localHost(options.host)}:${port}`;
  if (options.tunnel !== undefined && local !== undefined) {
    const tunnel = await openTunnel(options.tunnel, local);
    return { url: options.publicUrl ?? tunnel.url.replace(/\/+$/, ''), tunnel };
  }
  const unknown = 'startService: server does not listen on a port yet';
  if (options.tunnel !== undefined) {
    throw new ConfigurationError(`${unknown}, so tunnel has no address to lead to. Call server.listen() first.`);
  }
  const url = options.publicUrl ?? local;
  if (url === undefined) {
    throw new ConfigurationError(
      `${unknown}, so the public URL is unknown. Set publicUrl, or call server.listen() first.`,
    );
  }
  if (options.publicUrl === undefined && isLoopback(url)) {
    log(logger, 'public-url.local', { publicUrl: url });
  }
  return { url };
}

/** The host name to reach the listener from this machine: localhost if it listens on all addresses. */
function localHost(host: string | undefined): string {
  if (host === undefined || host === '0.0.0.0' || host === '::') return 'localhost';
  return isIPv6(host) ? `[${host}]` : host;
}

/** The port of a server; undefined if it does not listen on one. */
export function portOf(server: Server): number | undefined {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : undefined;
}

function isSecure({ tls, server }: Pick<CheckedOptions, 'tls' | 'server'>): boolean {
  return tls !== undefined || (server !== undefined && 'setSecureContext' in server);
}

async function openTunnel(open: NonNullable<CheckedOptions['tunnel']>, local: string): Promise<Tunnel> {
  let tunnel: unknown;
  try {
    tunnel = await open(local);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new ListenerError(`The tunnel to ${local} could not be opened: ${message}`, { cause });
  }
  if (isTunnel(tunnel)) return tunnel;
  await closeQuietly(tunnel);
  throw new ListenerError(
    'startService: tunnel resolved to an invalid value; it must resolve to { url, close() } with an http or https URL.',
  );
}

function isTunnel(value: unknown): value is Tunnel {
  const { url, close }: { readonly url?: unknown; readonly close?: unknown } = Object(value);
  return typeof url === 'string' && /^https?:\/\//.test(url) && URL.canParse(url) && typeof close === 'function';
}

/** Closes an unusable tunnel, if it can be closed. */
async function closeQuietly(tunnel: unknown): Promise<void> {
  const { close }: { readonly close?: unknown } = Object(tunnel);
  if (typeof close !== 'function') return;
  try {
    await Reflect.apply(close, tunnel, []);
  } catch {
    // The caller reports the unusable tunnel.
  }
}
