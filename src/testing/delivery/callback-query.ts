import type { SentRequest } from './delivery.js';

/**
 * Returns a GET of a callback with parameters appended to its query. The callback's own query must stay unchanged
 * (WebSub section 5.3). Undefined parameters are left out.
 */
export function callbackGet(callback: string, parameters: Readonly<Record<string, string | undefined>>): SentRequest {
  const defined = Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const [address = '', ...fragment] = callback.split('#');
  const url = `${address}${separatorAfter(address)}${new URLSearchParams(defined).toString()}`;
  return { method: 'GET', url: [url, ...fragment].join('#'), headers: {}, body: undefined };
}

function separatorAfter(address: string): string {
  if (!address.includes('?')) return '?';
  return /[?&]$/.test(address) ? '' : '&';
}
