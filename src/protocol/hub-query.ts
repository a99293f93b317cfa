/** The parameters of a hub's GET on the callback, each as it is given last (PROTOCOL V5). */
export interface HubQuery {
  readonly mode: string | undefined;
  readonly topic: string | undefined;
  readonly challenge: string | undefined;
  readonly leaseSeconds: string | undefined;
  readonly reason: string | undefined;
  readonly verifyToken: string | undefined;
}

/**
 * Reads the query of a hub's GET.
 *
 * @param query without its question mark
 * @returns undefined where the challenge is not UTF-8: its bytes could not be sent back as they came. Elsewhere what is not
 * stands as U+FFFD: a denial counts, however its reason is spelled
 */
export function readHubQuery(query: string): HubQuery | undefined {
  const last = new Map<string, string>();
  for (const pair of query.split('&')) {
    const equals = pair.indexOf('=');
    const name = decode(equals === -1 ? pair : pair.slice(0, equals));
    if (name?.startsWith('hub.') !== true) continue;
    const sent = equals === -1 ? '' : pair.slice(equals + 1);
    const value = decode(sent);
    if (value === undefined && name === 'hub.challenge') return undefined;
    last.set(name, value ?? decodeLeniently(sent));
  }
  return {
    mode: last.get('hub.mode'),
    topic: last.get('hub.topic'),
    challenge: last.get('hub.challenge'),
    leaseSeconds: last.get('hub.lease_seconds'),
    reason: last.get('hub.reason'),
    verifyToken: last.get('hub.verify_token'),
  };
}

/**
 * Whether the topic a hub names is the one meant: the same string, or the same URL once normalised. Some hubs leave the
 * topic's own `&` and `%` as they are, so that it arrives in pieces: the query as it was sent is looked at as well.
 */
export function isTopic(expected: string, named: string, query: string): boolean {
  if (named === expected) return true;
  if (!URL.canParse(expected)) return rawTopic(query) === expected;
  const { href } = new URL(expected);
  const isSame = (topic: string): boolean =>
    topic === expected || (URL.canParse(topic) && new URL(topic).href === href);
  return isSame(named) || isSame(rawTopic(query));
}

/** What stands between the last `hub.topic=` and the next parameter of the hub's. */
function rawTopic(query: string): string {
  const start = query.lastIndexOf('hub.topic=');
  if (start === -1) return '';
  const value = query.slice(start + 'hub.topic='.length);
  const end = value.indexOf('&hub.');
  return end === -1 ? value : value.slice(0, end);
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

function decodeLeniently(text: string): string {
  return new URLSearchParams(`_=${text}`).get('_') ?? '';
}
