import { isIPv4 } from 'node:net';

/** Returns the host of a URL, without IPv6 brackets and without a trailing dot. */
export function hostnameOf(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$|\.$/g, '');
}

/** Whether a host is `localhost` or a subdomain: both always mean this machine (RFC 6761, section 6.3). */
export function isLocalhostName(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost');
}

/** Whether a URL names this machine, without a DNS lookup: 127.0.0.0/8, `::1`, localhost and its subdomains. */
export function isLoopback(url: string): boolean {
  const host = hostnameOf(url);
  return isLocalhostName(host) || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
