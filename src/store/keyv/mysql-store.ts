import type * as Adapter from '@keyv/mysql';
import { type Socket, connect } from 'node:net';
import { ConfigurationError } from '../../errors.js';
import { loadOptionalPeer } from './optional-peer.js';
import { adapterStore } from './adapter-store.js';
import type { ServerLocation } from '../store-location.js';
import type { TextStore } from './keyv-backend.js';
import { MYSQL_MAX_TEXT_LENGTH } from './multipart-texts.js';

let openedStores = 0;

/**
 * MySQL or MariaDB through Keyv's adapter, in the table `websub`.
 *
 * @throws StoreError when the adapter is not installed
 * @throws ConfigurationError for a URI parameter other than `ssl=true`
 */
export async function mysqlStore(location: ServerLocation, timeoutMs: number): Promise<TextStore> {
  const { KeyvMysql } = await loadOptionalPeer<typeof Adapter>('@keyv/mysql');
  const url = new URL(location.uri);
  const tls = tlsOf(url, location);
  // The adapter shares one pool per process. When the URI changes, it creates a new pool and never ends the old one. So
  // each store uses a unique URI to get its own pool, and tracks its sockets to close them.
  openedStores += 1;
  url.search = `store=${openedStores}`;
  const sockets = new Set<Socket>();
  const stream = (): Socket => {
    const socket = connect({ host: url.hostname, port: Number(url.port || 3306), noDelay: true, keepAlive: true });
    sockets.add(socket);
    return socket.once('close', () => sockets.delete(socket));
  };
  const options = { uri: url.href, table: 'websub', connectTimeout: timeoutMs, stream, ...tls };
  const adapter = new KeyvMysql(options);
  adapter.opts.iterationLimit = 500;

  return adapterStore(location, {
    adapter,
    maxTextLength: MYSQL_MAX_TEXT_LENGTH,
    async disconnect() {
      for (const socket of sockets) socket.destroy();
    },
  });
}

/** The adapter ignores URI parameters, also those that ask for TLS. We pass on `ssl=true` and refuse all others. */
function tlsOf(url: URL, location: ServerLocation): { readonly ssl?: object } {
  const parameters = [...url.searchParams.keys()];
  const unknown = parameters.find((name) => name !== 'ssl');
  const ssl = url.searchParams.get('ssl');
  if (unknown === undefined && (ssl === null || ssl === 'true')) return ssl === null ? {} : { ssl: {} };
  throw new ConfigurationError(
    `store: "${location.label}" has the parameter "${unknown ?? 'ssl'}"; a mysql:// URI supports only ssl=true. ` +
      'Pass a Keyv for other parameters.',
  );
}
