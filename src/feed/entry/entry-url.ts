import { DocumentUrls } from '../../protocol/links/document-urls.js';

/** What runs where it is followed, instead of leading somewhere. */
const SCRIPT_SCHEMES = new Set(['javascript:', 'vbscript:', 'data:']);

/** The base of relative links in a part of a document. */
export interface LinkBase {
  readonly url: string;
  /** Of the whole document: it counts what is resolved. */
  readonly urls: DocumentUrls;
}

/**
 * The base of a document's outermost part.
 *
 * @throws RangeError for a URL over the bound of PROTOCOL D12
 */
export function documentBase(documentUrl: string): LinkBase {
  return { url: documentUrl, urls: new DocumentUrls(documentUrl) };
}

/** A link resolved and normalized; undefined where there is none, it is no URL, is code, or is over a bound. */
export function resolveUrl(link: string | undefined, { url: base, urls }: LinkBase): string | undefined {
  if (link === undefined || link.trim() === '') return undefined;
  const url = urls.resolve(link, base);
  return url === undefined || SCRIPT_SCHEMES.has(url.protocol) ? undefined : url.href;
}

/** The base that `xml:base` sets within another one. */
export function innerBase(xmlBase: string | undefined, outer: LinkBase): LinkBase {
  if (xmlBase === undefined || xmlBase.trim() === '') return outer;
  const url = outer.urls.base(xmlBase, outer.url);
  return url === outer.url || isScriptUrl(url) ? outer : { url, urls: outer.urls };
}

function isScriptUrl(url: string): boolean {
  return SCRIPT_SCHEMES.has(url.slice(0, url.indexOf(':') + 1));
}
