import type { Server } from 'node:http';
import { ConfigurationError, ListenerError } from '../errors.js';
import type { Logger } from '../logger.js';
import { isLoopback } from '../protocol/loopback.js';
import type { CheckedOptions } from './check-options.js';
import type { Tunnel } from './start-options.js';

/** How hubs reach this machine. */
export interface PublicAddress {
  /** Without a trailing slash. */
  readonly url: string;
  readonly tunnel?: Tunnel;
}

/**
 * The public URL: the option's, a tunnel's, or localhost with a warning.
 *
 * @param port what is listened on; undefined where nothing is known to listen
 */
export async function publicAddress(
  options: Pick<CheckedOptions, 'publicUrl' | 'tunnel' | 'tls' | 'server'>,
  port: number | undefined,
  logger: Logger,
): Promise<PublicAddress> {
  const local = port === undefined ? undefined : `${isSecure(options) ? 'https' : 'http'}://localhost:${port}`;
  if (options.tunnel !== undefined && local !== undefined) {
    const tunnel = await openTunnel(options.tunnel, local);
    return { url: options.publicUrl ?? tunnel.url.replace(/\/+$/, ''), tunnel };
  }
  const url = options.publicUrl ?? local;
  if (url === undefined) {
    throw new ConfigurationError('startService: server does not listen yet, so publicUrl must be set, or listen first.');
  }
  if (isLoopback(url)) {
    logger.warn({ publicUrl: url }, 'only hubs on this machine can reach the callbacks: set publicUrl, or use a tunnel');
  }
  return { url };
}

/** The port of a server that listens. */
export function portOf(server: Server): number | undefined {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : undefined;
}

function isSecure({ tls, server }: Pick<CheckedOptions, 'tls' | 'server'>): boolean {
  return tls !== undefined || (server !== undefined && 'setSecureContext' in server);
}

async function openTunnel(open: NonNullable<CheckedOptions['tunnel']>, local: string): Promise<Tunnel> {
  let tunnel: Tunnel;
  try {
    tunnel = await open(local);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new ListenerError(`The tunnel to ${local} could not be opened: ${message}`, { cause });
  }
  const { url }: { readonly url?: unknown } = Object(tunnel);
  if (typeof url !== 'string' || !/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new ListenerError('The tunnel option gave no http or https URL: it is to resolve to { url, close() }.');
  }
  return tunnel;
}
