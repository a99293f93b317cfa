import { ResourceDiscoveryFailedError } from '../../errors.js';
import { MAX_HUBS } from '../../protocol/links/topic-links.js';
import { startDeadline } from '../http/deadline.js';
import { discoveryError } from './discovery-error.js';
import { ACCEPT_FEEDS, discoveryRequest } from './discovery-request.js';
import { withDocument, type DocumentRequest, type OpenDocument } from './document.js';
import type { DiscoveryConfig } from '../http/http-config.js';
import { bufferDocument, type TopicContentSink } from './buffered-document.js';
import { findHub, type DiscoverySource, type HubLinks, type HubSearch } from './find-hub.js';
import type { OnAnswer } from '../outbound-log.js';
import { sanitizeError } from '../redaction/credential-redactor.js';
import { withheldMessage } from '../redaction/withheld-credentials.js';

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
  readonly keep?: TopicContentSink | undefined;
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
  const onWithheld = (targetRequest: string): void => {
    withheld.add(withheldMessage(targetRequest, url));
    context.onWithheld?.(targetRequest);
  };
  const targetRequest = discoveryRequest(config, allowPrivateNetworks);
  const deadline = startDeadline(targetRequest.timeoutMs, signal);
  const searchAt = (at: string, request: DocumentRequest): Promise<HubSearch> =>
    withDocument(at, { ...request, now, onWithheld, onAnswer, deadline }, async (document) => {
      requireSuccess(document, request.headers, [...withheld]);
      const buffered = keep && bufferDocument(document, keep);
      const result = await findHub(buffered?.document ?? document, lastFeed);
      if (result.hubLinks !== undefined) await buffered?.emit(result.hubLinks.links.selfs[0] ?? result.url);
      return result;
    });
  try {
    const page = await searchAt(url, targetRequest);
    const { feed } = page;
    const feedRequest = { ...discoveryRequest(config, allowPrivateNetworks, ACCEPT_FEEDS), givenBy: url };
    const discovery =
      page.hubLinks !== undefined || feed === undefined
        ? toDiscovery(page)
        : { ...(await discoverInFeed(page, searchAt(feed, feedRequest))), feed };
    if (withheld.size === 0 || context.onWithheld !== undefined) return discovery;
    return { ...discovery, warnings: [...(discovery.warnings ?? []), ...withheld] };
  } finally {
    deadline.clear();
  }
}

/** The discovery in the alternate feed of a page. */
async function discoverInFeed(page: HubSearch, feedSearch: Promise<HubSearch>): Promise<Discovery> {
  let feed;
  try {
    feed = await feedSearch;
  } catch (error) {
    // The page may have written what it was sent into the URL of the feed.
    const sanitized = sanitizeError(error, page.sanitize);
    // The time is up for the page as well.
    if (!(sanitized instanceof ResourceDiscoveryFailedError) || sanitized.reason === 'timeout') throw sanitized;
    throw noHubError(page, `Its alternate feed could not be read: ${sanitized.message}`, sanitized);
  }
  if (feed.hubLinks === undefined) {
    throw noHubError(page, page.sanitize(`Nor is one named by its alternate feed ${feed.searchedPlaces}`));
  }
  return toDiscovery({ ...feed, sanitize: (text) => page.sanitize(feed.sanitize(text)) });
}

function requireSuccess({ status, url }: OpenDocument, requestHeaders: Headers, withheld: readonly string[]): void {
  if (status >= 200 && status < 300) return;
  if (status !== 406) {
    const isUnauthorized = status === 401 || status === 403;
    const hint = isUnauthorized ? withheld.map((message) => ` ${message}.`).join('') : '';
    throw discoveryError(
      'http-error',
      `${url} answered ${status}, so there is nothing to discover a hub from.${hint} Check the URL; if you know its hub, ` +
        'name it: target: { hub, topic }',
      { status },
    );
  }
  const language = requestHeaders.get('accept-language');
  throw discoveryError(
    'not-acceptable',
    `${url} answered 406: it has nothing in the types (${requestHeaders.get('accept')}) ` +
      `${language === null ? '' : `and languages (${language}) `}asked for. ` +
      'Ask for others by discoveryConfig.accept and acceptLanguage',
    { status },
  );
}

const NAME_THE_HUB = 'If you know its hub, name it: target: { hub, topic }';

function noHubError(
  { searchedPlaces, self, isTruncated, status, sanitize }: HubSearch,
  details?: string,
  cause?: ResourceDiscoveryFailedError,
): Error {
  const hint = self === undefined ? undefined : sanitize(`It calls itself ${self}; perhaps that names one`);
  const advice = details?.includes(NAME_THE_HUB) === true ? undefined : NAME_THE_HUB;
  const sentences = [`No hub is named by ${searchedPlaces}`, hint, details, advice];
  const transient = cause !== undefined && isTransient(cause) ? cause : undefined;
  return discoveryError(
    transient?.reason ?? (isTruncated ? 'too-large' : 'no-hub'),
    sentences.filter((sentence) => sentence !== undefined).join('. '),
    // The wait that the feed's server asks for holds for the page as well.
    {
      status: transient === undefined ? status : transient.status,
      ...(cause && { cause, retryAfterSeconds: cause.retryAfterSeconds }),
    },
  );
}

/** Whether a feed that could not be read now may be read later. */
function isTransient({ reason, status = 0 }: ResourceDiscoveryFailedError): boolean {
  return reason === 'unreachable' || status === 429 || status >= 500;
}

function toDiscovery(result: HubSearch): Discovery {
  if (result.hubLinks === undefined) throw noHubError(result);
  const { url, sanitize } = result;
  const { via, links }: HubLinks = result.hubLinks;
  const { hubs, selfs, hasMoreHubs = false } = links;
  if (selfs.length > 1) {
    const message =
      `${url} has several self links (${via}): ${selfs.join(', ')}. Only one can be the topic; if you know which, ` +
      'name it: target: { hub, topic }';
    throw discoveryError('multiple-self', sanitize(message));
  }
  const warnings = [...result.warnings];
  if (selfs[0] === undefined)
    warnings.push(`${url} names a hub but no self link (${via}): its URL is taken as the topic`);
  if (hasMoreHubs) warnings.push(`${url} names more than ${MAX_HUBS} hubs (${via}): the first ${MAX_HUBS} are taken`);
  return {
    topic: selfs[0] ?? url,
    hubs,
    url,
    via,
    ...(warnings.length > 0 ? { warnings: warnings.map(sanitize) } : {}),
  };
}
