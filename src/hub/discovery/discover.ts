import { ResourceDiscoveryFailedError } from '../../errors.js';
import { MAX_HUBS } from '../../protocol/links/topic-links.js';
import { startDeadline } from '../http/deadline.js';
import { discoveryFailure } from './discovery-error.js';
import { ACCEPT_FEEDS, discoveryRequest } from './discovery-request.js';
import { withDocument, type DocumentRequest, type OpenDocument } from './document.js';
import type { DiscoveryConfig } from '../http/http-config.js';
import { keptDocument, type TopicKeeper } from './buffered-document.js';
import { lookAt, type DiscoverySource, type FoundHub, type Look } from './find-hub.js';
import type { OnAnswer } from '../outbound-log.js';
import { presentable } from '../redaction/credential-redactor.js';
import { withheldFrom } from '../redaction/withheld-credentials.js';

export type { DiscoverySource } from './find-hub.js';

/** What a resource says of itself. */
export interface Discovery {
  /** The topic URL: the `rel=self` beside the hub, or the final URL where there is none. */
  readonly topic: string;
  /** One to ten, in document order. */
  readonly hubs: readonly string[];
  /** The URL that answered, after redirects. Where the alternate feed of a page was read, that of the feed. */
  readonly url: string;
  readonly via: DiscoverySource;
  /** The alternate feed that was read because the page names no hub, as the page lists it. Absent where none was. */
  readonly feed?: string;
  /** What is odd but was put up with; absent when nothing is. */
  readonly warnings?: readonly string[];
}

/** What the runtime adds to a discovery of its own. */
export interface DiscoveryContext {
  /** Whether a public URL and its redirects may lead into private networks. @default false */
  readonly allowPrivateNetworks?: boolean | undefined;
  /** Told which URL is asked without the headers and credentials that are configured. @default a warning tells it */
  readonly onWithheld?: ((url: string) => void) | undefined;
  /** The alternate feed used last: used again while the page lists it. @default the first that the page lists */
  readonly lastFeed?: string | undefined;
  /** Gives it up early. */
  readonly signal?: AbortSignal | undefined;
  /** The clock that the date in `Retry-After` is compared with, in milliseconds since the epoch. @default Date.now */
  readonly now?: (() => number) | undefined;
  /** Told of each answer, redirects included. */
  readonly onAnswer?: OnAnswer | undefined;
  /** Has the document read to its end and handed over, where it is the topic and a feed. @default it is not */
  readonly keep?: TopicKeeper | undefined;
}

/**
 * Finds out at which hubs a resource can be subscribed to, and as which topic (WebSub section 4). Looked at, until a hub is
 * found: the HTTP `Link` headers of the answer, the links in the document (HTML, Atom, RSS, RDF or JSON Feed), the `Link`
 * headers of the redirects that led to it, and the first alternate feed in the head of a page. Redirects are followed; of
 * a document no more is read than is needed. `httpConfig.timeoutMs` is for all of it.
 *
 * @example
 * ```ts
 * const { topic, hubs } = await discover('https://example.com/feed');
 * ```
 * @throws ResourceDiscoveryFailedError when no hub was found; its `reason` tells why, its message what was looked at
 * @throws ConfigurationError when the configuration cannot be sent
 */
export async function discover(
  url: string,
  config: DiscoveryConfig = {},
  context: DiscoveryContext = {},
): Promise<Discovery> {
  const { allowPrivateNetworks = false, signal, now, keep, lastFeed, onAnswer } = context;
  const withheld = new Set<string>();
  const onWithheld = (asked: string): void => {
    withheld.add(withheldFrom(asked, url));
    context.onWithheld?.(asked);
  };
  const asked = discoveryRequest(config, allowPrivateNetworks);
  const deadline = startDeadline(asked.timeoutMs, signal);
  const look = (at: string, request: DocumentRequest): Promise<Look> =>
    withDocument(at, { ...request, now, onWithheld, onAnswer, deadline }, async (document) => {
      requireSuccess(document, request.headers, [...withheld]);
      const kept = keep && keptDocument(document, keep);
      const looked = await lookAt(kept?.document ?? document, lastFeed);
      if (looked.found !== undefined) await kept?.handOver(looked.found.links.selfs[0] ?? looked.url);
      return looked;
    });
  try {
    const target = await look(url, asked);
    const { feed } = target;
    const feedRequest = { ...discoveryRequest(config, allowPrivateNetworks, ACCEPT_FEEDS), givenBy: url };
    const found =
      target.found !== undefined || feed === undefined
        ? discovered(target)
        : { ...(await discoveredIn(target, look(feed, feedRequest))), feed };
    if (withheld.size === 0 || context.onWithheld !== undefined) return found;
    return { ...found, warnings: [...(found.warnings ?? []), ...withheld] };
  } finally {
    deadline.clear();
  }
}

/** The discovery in the alternate feed of a page. */
async function discoveredIn(page: Look, looking: Promise<Look>): Promise<Discovery> {
  let feed;
  try {
    feed = await looking;
  } catch (error) {
    // The page may have written what it was sent into the URL of the feed.
    const shown = presentable(error, page.present);
    // The time is up for the page as well.
    if (!(shown instanceof ResourceDiscoveryFailedError) || shown.reason === 'timeout') throw shown;
    throw noHub(page, `Its alternate feed could not be read: ${shown.message}`, shown);
  }
  if (feed.found === undefined) {
    throw noHub(page, page.present(`Nor is one named by its alternate feed ${feed.lookedAt}`));
  }
  return discovered({ ...feed, present: (text) => page.present(feed.present(text)) });
}

function requireSuccess({ status, url }: OpenDocument, asked: Headers, withheld: readonly string[]): void {
  if (status >= 200 && status < 300) return;
  if (status !== 406) {
    const isUnauthorized = status === 401 || status === 403;
    const hint = isUnauthorized ? withheld.map((told) => ` ${told}.`).join('') : '';
    throw discoveryFailure(
      'http-error',
      `${url} answered ${status}, so there is nothing to discover a hub from.${hint} Check the URL; if you know its hub, ` +
        'name it: target: { hub, topic }',
      { status },
    );
  }
  const language = asked.get('accept-language');
  throw discoveryFailure(
    'not-acceptable',
    `${url} answered 406: it has nothing in the types (${asked.get('accept')}) ` +
      `${language === null ? '' : `and languages (${language}) `}asked for. ` +
      'Ask for others by discoveryConfig.accept and acceptLanguage',
    { status },
  );
}

const NAME_THE_HUB = 'If you know its hub, name it: target: { hub, topic }';

function noHub(
  { lookedAt, self, isCut, status, present }: Look,
  further?: string,
  cause?: ResourceDiscoveryFailedError,
): Error {
  const hint = self === undefined ? undefined : present(`It calls itself ${self}; perhaps that names one`);
  const advice = further?.includes(NAME_THE_HUB) === true ? undefined : NAME_THE_HUB;
  const sentences = [`No hub is named by ${lookedAt}`, hint, further, advice];
  const passing = cause !== undefined && mayPass(cause) ? cause : undefined;
  return discoveryFailure(
    passing?.reason ?? (isCut ? 'too-large' : 'no-hub'),
    sentences.filter((sentence) => sentence !== undefined).join('. '),
    // The wait that the feed's server asks for holds for the page as well.
    {
      status: passing === undefined ? status : passing.status,
      ...(cause && { cause, retryAfterSeconds: cause.retryAfterSeconds }),
    },
  );
}

/** Whether a feed that could not be read now may be read later. */
function mayPass({ reason, status = 0 }: ResourceDiscoveryFailedError): boolean {
  return reason === 'unreachable' || status === 429 || status >= 500;
}

function discovered(look: Look): Discovery {
  if (look.found === undefined) throw noHub(look);
  const { url, present } = look;
  const { via, links }: FoundHub = look.found;
  const { hubs, selfs, hasMoreHubs = false } = links;
  if (selfs.length > 1) {
    const message =
      `${url} has several self links (${via}): ${selfs.join(', ')}. Only one can be the topic; if you know which, ` +
      'name it: target: { hub, topic }';
    throw discoveryFailure('multiple-self', present(message));
  }
  const warnings = [...look.warnings];
  if (selfs[0] === undefined)
    warnings.push(`${url} names a hub but no self link (${via}): its URL is taken as the topic`);
  if (hasMoreHubs) warnings.push(`${url} names more than ${MAX_HUBS} hubs (${via}): the first ${MAX_HUBS} are taken`);
  return {
    topic: selfs[0] ?? url,
    hubs,
    url,
    via,
    ...(warnings.length > 0 ? { warnings: warnings.map(present) } : {}),
  };
}
