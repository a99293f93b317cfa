import { isIPv4 } from 'node:net';

/** The host of a URL without the brackets of an IPv6 address and without a trailing dot. */
export function hostnameOf(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$|\.$/g, '');
}

/** Whether a host is `localhost` or a name below it, which never leave the machine (RFC 6761, section 6.3). */
export function isLocalhostName(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost');
}

/** Whether a URL leads to this machine by its very text: 127.0.0.0/8, `::1`, localhost and names below it. */
export function isLoopback(url: string): boolean {
  const host = hostnameOf(url);
  return isLocalhostName(host) || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
