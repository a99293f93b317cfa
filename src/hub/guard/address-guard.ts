import { lookup as dnsLookup, type LookupAddress } from 'node:dns';
import { lookup as dnsLookupPromise } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import type { buildConnector } from 'undici';
import { onDemand } from '../../on-demand.js';
import { hostnameOf, isLocalhostName } from '../../protocol/loopback.js';
import { undiciModules } from '../http/undici-modules.js';

/** A connection was refused because its address is not public. */
export class AddressError extends Error {
  override readonly name = 'AddressError';
  readonly host: string;
  readonly address: string;
  /** The name of the address range, such as `private`, `loopback` or `linkLocal`. */
  readonly range: string;

  constructor(host: string, address: string, range: string) {
    const subject = host === address ? address : `${host} resolves to ${address}, which`;
    super(
      `${subject} is not a public address (${range}), so no connection was made. ` +
        'If you trust the address, set security.allowPrivateNetworks',
    );
    this.host = host;
    this.address = address;
    this.range = range;
  }
}

const GLOBAL_UNICAST = '2000::/3';
const NAT64 = '64:ff9b::/96';

/**
 * The name of the special range of an IP address; undefined for a public address.
 *
 * An IPv6 address that contains an IPv4 address (mapped, 6to4, Teredo) is never public. The exception is the well-known
 * prefix of NAT64: the IPv4 address decides, because a DNS64 network resolves every IPv4-only host to that prefix.
 */
export function specialRange(address: string): string | undefined {
  const { IPv6, isValid, parse } = onDemand('ipaddr.js');
  if (!isValid(address)) return 'unknown';
  const parsed = parse(address);
  const range = parsed.range();
  if (parsed instanceof IPv6) {
    if (parsed.match(IPv6.parseCIDR(NAT64))) return specialRange(parsed.toByteArray().slice(12).join('.'));
    if (range === 'unicast' && !parsed.match(IPv6.parseCIDR(GLOBAL_UNICAST))) return 'reserved';
  }
  return range === 'unicast' ? undefined : range;
}

/** Resolves a host name to all its addresses. */
export type ResolveHost = (host: string) => Promise<readonly string[]>;

const resolveHost: ResolveHost = async (host) =>
  (await dnsLookupPromise(host, { all: true })).map(({ address }) => address);

/**
 * Whether a URL counts as private, and why.
 *
 * - `literal`: its host is localhost, or an address that is not public.
 * - `resolved`: its host name resolves to such addresses only.
 * - `public`: any other. This includes a host name with public and private addresses, because its owner can add any
 *   private address.
 */
export type Privacy = 'literal' | 'resolved' | 'public';

/** Classifies a URL by its host. Looks up host names only. */
export async function privacyOf(url: string, lookup: ResolveHost = resolveHost): Promise<Privacy> {
  const host = hostnameOf(url);
  if (isLocalhostName(host)) return 'literal';
  if (isIP(host) !== 0) return specialRange(host) === undefined ? 'public' : 'literal';
  try {
    const addresses = await lookup(host);
    const isPrivate = addresses.length > 0 && addresses.every((address) => specialRange(address) !== undefined);
    return isPrivate ? 'resolved' : 'public';
  } catch {
    return 'public';
  }
}

type LookupAll = (
  host: string,
  options: Parameters<LookupFunction>[1] & { all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** A lookup for sockets that fails with an `AddressError` if any address of the name is not public. */
export function guardedLookup(lookup: LookupAll = dnsLookup): LookupFunction {
  return (host, options, callback) => {
    lookup(host, { ...options, all: true }, (error, addresses) => {
      if (error !== null) {
        callback(error, []);
        return;
      }
      try {
        rejectSpecialAddresses(host, addresses);
      } catch (cause) {
        // An error thrown in a callback of node:dns would end the process.
        callback(cause instanceof Error ? cause : new Error(String(cause)), []);
        return;
      }
      const [first] = addresses;
      if (options.all === true || first === undefined) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

function rejectSpecialAddresses(host: string, addresses: readonly LookupAddress[]): void {
  for (const { address } of addresses) {
    const range = specialRange(address);
    if (range !== undefined) throw new AddressError(host, address, range);
  }
}

/**
 * A connector for an undici agent that connects to public addresses only.
 *
 * It checks the address of the connection itself. A name therefore cannot resolve to one address for the check and to
 * another for the connection.
 */
export function guardedConnector(): buildConnector.connector {
  const connect = undiciModules().buildConnector({ lookup: guardedLookup() });
  return (options, callback) => {
    // A literal address is never looked up, so `guardedLookup` does not see it.
    const host = options.hostname.replace(/^\[|\]$/g, '');
    const range = isIP(host) === 0 ? undefined : specialRange(host);
    if (range === undefined) connect(options, callback);
    else callback(new AddressError(host, host, range), null);
  };
}
