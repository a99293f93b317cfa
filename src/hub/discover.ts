import type { DocumentFormat } from '../protocol/document-format.js';
import { createDocumentLinkReader } from '../protocol/document-links.js';
import { linksFromHeaders } from '../protocol/link-header.js';
import { parseMediaType } from '../protocol/media-type.js';
import type { TopicLinks } from '../protocol/topic-links.js';
import { discoveryFailure } from './discovery-failure.js';
import { discoveryRequest } from './discovery-request.js';
import { withDocument, type OpenDocument } from './document.js';
import type { DiscoveryConfig } from './http-config.js';
import { keptDocument, type TopicKeeper } from './kept-document.js';
import { withheldFrom } from './withheld-credentials.js';

/** Where hub and topic were found. */
export type DiscoverySource = 'link-header' | Exclude<DocumentFormat, 'unknown'>;

/** What a resource says of itself. */
export interface Discovery {
  /** The topic URL: `rel=self`, or the final URL where there is none. */
  readonly topic: string;
  /** One to ten, in document order. */
  readonly hubs: readonly string[];
  /** The URL that answered, after redirects. */
  readonly url: string;
  readonly via: DiscoverySource;
  /** What is odd but was put up with; absent when nothing is. */
  readonly warnings?: readonly string[];
}

/** What the runtime adds to a discovery of its own. */
export interface DiscoveryContext {
  /** Whether a public URL and its redirects may lead into private networks. @default false */
  readonly allowPrivateNetworks?: boolean | undefined;
  /** Told which URL is asked without the headers and credentials that are configured. @default a warning tells it */
  readonly onWithheld?: ((url: string) => void) | undefined;
  /** Gives it up early. */
  readonly signal?: AbortSignal | undefined;
  /** The clock that the date in `Retry-After` is compared with, in milliseconds since the epoch. @default Date.now */
  readonly now?: (() => number) | undefined;
  /** Has the document read to its end and handed over, where it is the topic and a feed. @default it is not */
  readonly keep?: TopicKeeper | undefined;
}

/** Taken at most of the hubs that one resource names: each of them is asked. */
const MAX_HUBS = 10;

/** Read at most of a document, in bytes after `Content-Encoding` is undone. */
const MAX_DOCUMENT_BYTES = 5 * 1024 * 1024;

/**
 * Finds out at which hubs a resource can be subscribed to, and as which topic (WebSub section 4): by its HTTP `Link`
 * headers, and where they name no hub by the links in the document itself: HTML, Atom, RSS, RDF or JSON Feed. Redirects
 * are followed; of the document no more is read than is needed.
 *
 * @example
 * ```ts
 * const { topic, hubs } = await discover('https://example.com/feed');
 * ```
 * @throws ResourceDiscoveryFailedError when no hub was found; its `reason` tells why
 * @throws ConfigurationError when the configuration cannot be sent
 */
export async function discover(
  url: string,
  config: DiscoveryConfig = {},
  context: DiscoveryContext = {},
): Promise<Discovery> {
  const { allowPrivateNetworks = false, signal, now } = context;
  const withheld = new Set<string>();
  const onWithheld = (asked: string): void => {
    withheld.add(withheldFrom(asked, url));
    context.onWithheld?.(asked);
  };
  const request = discoveryRequest(config, allowPrivateNetworks);
  return withDocument(url, { ...request, signal, now, onWithheld }, async (document) => {
    requireSuccess(document, request.headers, [...withheld]);
    const kept = context.keep && keptDocument(document, context.keep);
    const found = await readDiscovery(kept?.document ?? document);
    await kept?.handOver(found.topic);
    if (withheld.size === 0 || context.onWithheld !== undefined) return found;
    return { ...found, warnings: [...(found.warnings ?? []), ...withheld] };
  });
}

async function readDiscovery(document: OpenDocument): Promise<Discovery> {
  const { url, status, headers } = document;
  const inHeaders = linksFromHeaders([headers.get('link') ?? ''], url);
  if (inHeaders.hubs.length > 0) return discovered(document, 'link-header', inHeaders, []);

  const contentType = headers.get('content-type');
  const reader = createDocumentLinkReader({ url, contentType });
  const reading = await document.read((bytes) => reader.write(bytes), MAX_DOCUMENT_BYTES);
  const { format, ...inDocument } = reader.end();
  const lookedAt = `${url} (${status}, ${parseMediaType(contentType).type || 'no content type'})`;
  if (format === 'unknown' || inDocument.hubs.length === 0) {
    if (reading === 'too-large') {
      throw discoveryFailure(
        'too-large',
        `${lookedAt} names no hub in its Link headers, nor in its first ${MAX_DOCUMENT_BYTES} bytes, after which reading ` +
          `stopped. ${NAME_THE_HUB}`,
        { status },
      );
    }
    throw discoveryFailure('no-hub', `No hub is named by ${lookedAt}: ${soughtIn(format, inHeaders, inDocument)}`, {
      status,
    });
  }
  const links = inDocument.selfs.length > 0 ? inDocument : { ...inDocument, selfs: inHeaders.selfs };
  const warnings =
    reading === 'too-large' ? [`Of ${url} only the first ${MAX_DOCUMENT_BYTES} bytes were read for hubs`] : [];
  return discovered(document, format, links, warnings);
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

const SOUGHT: Readonly<Record<DocumentFormat, string>> = {
  html: 'the <link> elements of the page',
  xml: 'the atom:link elements of the feed',
  'json-feed': 'the hubs of the JSON Feed',
  unknown: 'no further, as the document is neither HTML nor XML nor JSON',
};

function soughtIn(format: DocumentFormat, ...found: readonly TopicLinks[]): string {
  const self = found.flatMap((links) => links.selfs)[0];
  const hint = self === undefined ? '' : ` It calls itself ${self}; perhaps that names one.`;
  return `looked at the Link headers and ${SOUGHT[format]}.${hint} ${NAME_THE_HUB}`;
}

function discovered(
  { url, hide }: OpenDocument,
  via: DiscoverySource,
  links: TopicLinks,
  before: readonly string[],
): Discovery {
  const { hubs, selfs } = links;
  if (selfs.length > 1) {
    throw discoveryFailure(
      'multiple-self',
      `${url} has several self links (${via}): ${selfs.join(', ')}. Only one can be the topic; if you know which, ` +
        'name it: target: { hub, topic }',
    );
  }
  const warnings = [...before];
  if (selfs[0] === undefined)
    warnings.push(`${url} names a hub but no self link (${via}): its URL is taken as the topic`);
  if (hubs.length > MAX_HUBS) {
    warnings.push(
      `${url} names ${hubs.length} hubs (${via}): the first ${MAX_HUBS} are taken, ${hubs.length - MAX_HUBS} left out`,
    );
  }
  return {
    topic: selfs[0] ?? url,
    hubs: hubs.slice(0, MAX_HUBS),
    url,
    via,
    ...(warnings.length > 0 ? { warnings: warnings.map(hide) } : {}),
  };
}
