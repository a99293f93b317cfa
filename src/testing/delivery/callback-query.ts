import type { SentRequest } from './delivery.js';

/**
 * A GET of a callback with parameters added to its query, whatever the callback's own query is: that must stay as it is
 * (WebSub section 5.3). Parameters that are undefined are left out.
 */
export function callbackGet(callback: string, parameters: Readonly<Record<string, string | undefined>>): SentRequest {
  const given = Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const [address = '', ...fragment] = callback.split('#');
  const url = `${address}${separatorAfter(address)}${new URLSearchParams(given).toString()}`;
  return { method: 'GET', url: [url, ...fragment].join('#'), headers: {}, body: undefined };
}

function separatorAfter(address: string): string {
  if (!address.includes('?')) return '?';
  return /[?&]$/.test(address) ? '' : '&';
}
