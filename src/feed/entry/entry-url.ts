import { DocumentUrls } from '../../protocol/links/document-urls.js';

/** Schemes of links that run code or carry data instead of leading to a page. */
const SCRIPT_SCHEMES = new Set(['javascript:', 'vbscript:', 'data:']);

/** The base URL of relative links in a part of a document. */
export interface LinkBase {
  readonly url: string;
  /** Shared by the whole document, because it bounds the length of all resolved URLs (PROTOCOL D12). */
  readonly urls: DocumentUrls;
}

/**
 * Returns the outermost base of a document.
 *
 * @throws RangeError for a URL over the bound of PROTOCOL D12
 */
export function documentBase(documentUrl: string): LinkBase {
  return { url: documentUrl, urls: new DocumentUrls(documentUrl) };
}

/** Resolves and normalizes a link; undefined when it is absent, invalid, code, or over a bound. */
export function resolveUrl(link: string | undefined, { url: base, urls }: LinkBase): string | undefined {
  if (link === undefined || link.trim() === '') return undefined;
  const url = urls.resolve(link, base);
  return url === undefined || SCRIPT_SCHEMES.has(url.protocol) ? undefined : url.href;
}

/** Returns the base that `xml:base` sets within another base. */
export function innerBase(xmlBase: string | undefined, outer: LinkBase): LinkBase {
  if (xmlBase === undefined || xmlBase.trim() === '') return outer;
  const url = outer.urls.base(xmlBase, outer.url);
  return url === outer.url || isScriptUrl(url) ? outer : { url, urls: outer.urls };
}

function isScriptUrl(url: string): boolean {
  return SCRIPT_SCHEMES.has(url.slice(0, url.indexOf(':') + 1));
}
