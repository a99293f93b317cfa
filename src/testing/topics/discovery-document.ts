import { isRecord } from '../../protocol/encoding/is-record.js';
/** How a topic names its hubs and itself (WebSub section 4); `none` names neither. */
export type DiscoveryMethod = 'link-header' | 'html' | 'xml' | 'json-feed' | 'none';

/** The links a topic announces. */
export interface DiscoveryLinks {
  readonly hubs: readonly string[];
  readonly self: string | undefined;
}

/** A document as a GET of its topic returns it. */
export interface ServedDocument {
  readonly body: Uint8Array;
  readonly contentType: string;
}

/** Content types of topics that set none. */
export const DEFAULT_CONTENT_TYPE: Readonly<Record<DiscoveryMethod, string>> = {
  'link-header': 'text/plain; charset=utf-8',
  html: 'text/html; charset=utf-8',
  xml: 'application/atom+xml; charset=utf-8',
  'json-feed': 'application/feed+json; charset=utf-8',
  none: 'text/plain; charset=utf-8',
};

/** Returns the document with the links inserted. Wraps a document that has no place for links. */
export function documentWithLinks(
  discovery: DiscoveryMethod,
  document: ServedDocument,
  links: DiscoveryLinks,
): ServedDocument {
  if (discovery === 'html') {
    const inPlace = withInsertedLinks(document, /<head(?:\s[^>]*)?>/i, linkElements('link', '', links));
    return inPlace ?? wrapped(document, discovery, htmlDocument(document, links));
  }
  if (discovery === 'xml') {
    const inPlace =
      withInsertedLinks(document, /<feed(?:\s[^>]*)?>/, linkElements('link', '', links)) ??
      withInsertedLinks(document, /<channel(?:\s[^>]*)?>/, linkElements('atom:link', atomPrefix, links));
    return inPlace ?? wrapped(document, discovery, atomDocument(document, links));
  }
  if (discovery === 'json-feed') {
    const feed = jsonObject(textOf(document.body));
    if (!feed) return wrapped(document, discovery, jsonFeedDocument(document, links));
    return { body: Buffer.from(withJsonLinks(feed, links)), contentType: document.contentType };
  }
  return document;
}

const atomPrefix = ' xmlns:atom="http://www.w3.org/2005/Atom"';

function linkElements(name: string, attributes: string, { hubs, self }: DiscoveryLinks): string {
  const element = (rel: string, href: string): string =>
    `<${name}${attributes} rel="${rel}" href="${escapeMarkup(href)}"/>`;
  return [...hubs.map((hub) => element('hub', hub)), ...(self === undefined ? [] : [element('self', self)])].join('');
}

// Latin-1 preserves every byte of the document in any ASCII-compatible charset.
function withInsertedLinks(
  { body, contentType }: ServedDocument,
  after: RegExp,
  links: string,
): ServedDocument | undefined {
  const text = Buffer.from(body).toString('latin1');
  const place = after.exec(text);
  if (!place) return undefined;
  const end = place.index + place[0].length;
  const parts = [text.slice(0, end), Buffer.from(links).toString('latin1'), text.slice(end)];
  return { body: Buffer.from(parts.join(''), 'latin1'), contentType };
}

// A wrapped document has the content type of its wrapper. For an empty body, the topic's own type stays.
function wrapped({ body, contentType }: ServedDocument, discovery: DiscoveryMethod, text: string): ServedDocument {
  return { body: Buffer.from(text), contentType: body.length === 0 ? contentType : DEFAULT_CONTENT_TYPE[discovery] };
}

function htmlDocument({ body }: ServedDocument, links: DiscoveryLinks): string {
  const content = escapeMarkup(textOf(body));
  return `<!doctype html><html><head><meta charset="utf-8"/><title>A topic</title>${linkElements('link', '', links)}</head><body><pre>${content}</pre></body></html>`;
}

function atomDocument({ body }: ServedDocument, links: DiscoveryLinks): string {
  const updated = '<updated>2018-01-23T00:00:00Z</updated>';
  const text = textOf(body);
  const entry = `<entry><id>urn:entry:1</id><title>News</title>${updated}<content>${escapeMarkup(text)}</content></entry>`;
  return `<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom">${linkElements('link', '', links)}<id>urn:topic</id><title>A topic</title>${updated}${text && entry}</feed>`;
}

function jsonFeedDocument({ body }: ServedDocument, links: DiscoveryLinks): string {
  const text = textOf(body);
  const items = text ? [{ id: '1', content_text: text }] : [];
  return withJsonLinks({ version: 'https://jsonfeed.org/version/1.1', title: 'A topic', items }, links);
}

function withJsonLinks(feed: object, { hubs, self }: DiscoveryLinks): string {
  const hubLinks = hubs.map((url) => ({ type: 'WebSub', url }));
  return JSON.stringify({ ...feed, ...(self !== undefined && { feed_url: self }), hubs: hubLinks });
}

function jsonObject(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const textOf = (body: Uint8Array): string => Buffer.from(body).toString('utf8');

function escapeMarkup(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
