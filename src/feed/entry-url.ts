/** What runs where it is followed, instead of leading somewhere. */
const CODE = new Set(['javascript:', 'vbscript:', 'data:']);

/** A link resolved and normalised; undefined where there is none, it is no URL, or is code. */
export function resolveUrl(link: string | undefined, base: string): string | undefined {
  if (link === undefined || link.trim() === '' || !URL.canParse(link, base)) return undefined;
  const { protocol, href } = new URL(link, base);
  return CODE.has(protocol) ? undefined : href;
}

/** The base that `xml:base` sets within another one. */
export function innerBase(xmlBase: string | undefined, base: string): string {
  return resolveUrl(xmlBase, base) ?? base;
}
