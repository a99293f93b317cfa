import type { RequestListener } from 'node:http';
import { Throttle } from '../../delivery/throttle.js';
import { connectionLimit, openFilesLimit } from '../../http/listen/connection-limit.js';
import { listen, type Listener } from '../../http/listen/listener.js';
import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import type { CheckedOptions } from '../config/check-options.js';

/**
 * Listens for callbacks, unless the application listens itself.
 *
 * @param openFiles the open-files limit of the process; undefined if unknown
 * @throws ListenerError that names the port and the remedy
 */
export async function startListener(
  handler: RequestListener,
  { manual, server, port, host, tls, security }: Pick<CheckedOptions, ListenerOption>,
  logger: Logger,
  openFiles: number | undefined = openFilesLimit(),
): Promise<Listener | undefined> {
  if (manual || server !== undefined) return undefined;
  const maxConnections = connectionLimit(security.maxConnections, openFiles);
  if (maxConnections < security.maxConnections) {
    log(logger, 'listener.file-limit', { maxConnections, openFiles });
  }
  const dropLimiter = new Throttle();
  const onDrop = (): void => {
    const suppressed = dropLimiter.tryPass(dropLimiter, Date.now());
    if (suppressed !== undefined) log(logger, 'connection.dropped', { maxConnections, suppressed });
  };
  const onError = (error: Error): void => log(logger, 'connection.failed', { err: error });
  return listen(handler, { port, host, tls, maxConnections, onDrop, onError });
}

type ListenerOption = 'manual' | 'server' | 'port' | 'host' | 'tls' | 'security';
