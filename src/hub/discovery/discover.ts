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

/**
 * The result of discovery: the topic and hubs that a resource advertises (WebSub section 4).
 *
 * @example
 * const { topic, hubs, via }: Discovery = await discover('https://example.com/feed');
 */
export interface Discovery {
  /** The topic URL: the `rel=self` link beside the hub, or the final URL without one. */
  readonly topic: string;
  /** The hubs, 1 to 10, in document order. */
  readonly hubs: readonly string[];
  /** The URL that answered, after redirects. It is the URL of the alternate feed if that was read. */
  readonly url: string;
  /** The place of the links to hub and topic. */
  readonly via: DiscoverySource;
  /** The alternate feed that was read because the page names no hub, as the page lists it. Absent if none was read. */
  readonly feed?: string;
  /** Tolerated oddities of the resource, and origins that got no credentials. Absent if there are none. */
  readonly warnings?: readonly string[];
}

/** Options of a discovery that only the runtime sets. */
export interface DiscoveryContext {
  /** Whether a public URL and its redirects may lead into private networks. @default false */
  readonly allowPrivateNetworks?: boolean | undefined;
  /**
   * Called with the URL of each request that is sent without the configured headers and credentials.
   * @default `warnings` lists their origins
   */
  readonly onWithheld?: ((url: string) => void) | undefined;
  /** The alternate feed used last. It is used again while the page lists it. @default the first that the page lists */
  readonly lastFeed?: string | undefined;
  /** Aborts the discovery. */
  readonly signal?: AbortSignal | undefined;
  /** The clock for a date in `Retry-After`, in epoch milliseconds. @default Date.now */
  readonly now?: (() => number) | undefined;
  /** Called with each answer, redirects included. */
  readonly onAnswer?: OnAnswer | undefined;
  /** Receives the whole document if it is the topic and a feed. @default reading ends after the links */
  readonly contentSink?: TopicContentSink | undefined;
}

/**
 * Finds the hubs and the topic URL that a resource advertises (WebSub section 4).
 *
 * It looks at these places until it finds a hub:
 *
 * 1. the HTTP `Link` headers of the answer,
 * 2. the links in the document: HTML, Atom, RSS, RDF or JSON Feed,
 * 3. the `Link` headers of the redirects that led to the document,
 * 4. the first alternate feed in the head of a page.
 *
 * It follows redirects, and reads no more of a document than it needs. `httpConfig.timeoutMs` applies to the whole
 * discovery.
 *
 * @example
 * ```ts
 * const { topic, hubs } = await discover('https://example.com/feed');
 * ```
 * @throws ResourceDiscoveryFailedError if no hub was found. `reason` is the kind of failure.
 * @throws ConfigurationError if the configuration has a header that cannot be sent, or an invalid number
 */
export async function discover(
  url: string,
  config: DiscoveryConfig = {},
  context: DiscoveryContext = {},
): Promise<Discovery> {
  const { allowPrivateNetworks = false, signal, now, contentSink, lastFeed, onAnswer } = context;
  const withheld = new Set<string>();
  const onWithheld = (requestedUrl: string): void => {
    withheld.add(withheldMessage(requestedUrl, url));
    context.onWithheld?.(requestedUrl);
  };
  const targetRequest = discoveryRequest(config, allowPrivateNetworks);
  const deadline = startDeadline(targetRequest.timeoutMs, signal);
  const searchAt = (documentUrl: string, request: DocumentRequest): Promise<HubSearch> =>
    withDocument(documentUrl, { ...request, now, onWithheld, onAnswer, deadline }, async (document) => {
      requireSuccess(document, request.headers, [...withheld]);
      const buffered = contentSink && bufferDocument(document, contentSink);
      const result = await findHub(buffered?.document ?? document, lastFeed);
      if (result.hubLinks !== undefined) await buffered?.emit(result.hubLinks.links.selfs[0] ?? result.url);
      return result;
    });
  try {
    const page = await searchAt(url, targetRequest);
    const { feed } = page;
    const feedRequest = { ...discoveryRequest(config, allowPrivateNetworks, ACCEPT_FEEDS), configuredUrl: url };
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

/** The discovery from the alternate feed of a page that names no hub. */
async function discoverInFeed(page: HubSearch, feedSearch: Promise<HubSearch>): Promise<Discovery> {
  let feed;
  try {
    feed = await feedSearch;
  } catch (error) {
    // The page may have echoed credentials in the URL of the feed.
    const sanitized = sanitizeError(error, page.sanitize);
    // Page and feed share one deadline, so a timeout is not only about the feed.
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
    // The `Retry-After` of the feed applies to the whole discovery.
    {
      status: transient === undefined ? status : transient.status,
      ...(cause && { cause, retryAfterSeconds: cause.retryAfterSeconds }),
    },
  );
}

/** Whether a feed that cannot be read now may be readable later. */
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
