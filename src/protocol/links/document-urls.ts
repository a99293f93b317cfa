/** The longest URL that is taken from a document, and the longest URL a document may have itself (PROTOCOL D12). */
export const MAX_URL_LENGTH = 8 * 1024;

/** All URLs resolved for one document have at most this length together (PROTOCOL D12). */
const MAX_TOTAL_LENGTH = 16 * 1024 * 1024;

/**
 * Resolves the links of one document within the bounds of PROTOCOL D12. An href is ASCII, so its length is its size in
 * bytes. Make one per document: it counts what it has resolved.
 */
export class DocumentUrls {
  readonly #documentUrl: string;
  #lengthLeft: number;
  /** The base that was looked at last, and whether it is a URL: most links of a document share one. */
  #base: string;
  #isUrl: boolean;

  /**
   * @param documentUrl the URL that was read. A topic that is no URL is allowed: only absolute links resolve then.
   * @throws RangeError when it is longer than 8 KiB
   */
  constructor(documentUrl: string, maxTotalLength = MAX_TOTAL_LENGTH) {
    if (documentUrl.length > MAX_URL_LENGTH) {
      throw new RangeError(
        `The URL of the document is ${documentUrl.length} characters long; at most ${MAX_URL_LENGTH} are read`,
      );
    }
    this.#documentUrl = documentUrl;
    this.#lengthLeft = maxTotalLength;
    this.#base = documentUrl;
    this.#isUrl = URL.canParse(documentUrl);
  }

  /** The document's own URL: the outermost base. */
  get documentUrl(): string {
    return this.#documentUrl;
  }

  /**
   * The base that `<base href>` or `xml:base` sets within an outer one. The outer base stays without one, and where it
   * does not resolve; the document's URL is used where it is over the bound.
   */
  base(reference: string | undefined, outer: string = this.#documentUrl): string {
    if (reference === undefined) return outer;
    if (reference.length > MAX_URL_LENGTH) return this.#documentUrl;
    // Each entry may have a base of its own: with no length left, resolving goes on for nothing.
    const url = this.#lengthLeft > 0 ? this.#resolved(reference, outer) : undefined;
    if (url === undefined) return outer;
    return url.href.length > MAX_URL_LENGTH ? this.#documentUrl : url.href;
  }

  /** A link resolved against a base of this document; undefined when it does not resolve or is over a bound. */
  resolve(reference: string, base: string = this.#documentUrl): URL | undefined {
    if (this.#lengthLeft <= 0 || reference.length > MAX_URL_LENGTH) return undefined;
    const url = this.#resolved(reference, base);
    if (url === undefined) return undefined;
    return url.href.length > MAX_URL_LENGTH || this.#lengthLeft < 0 ? undefined : url;
  }

  /** A topic may be no URL: nothing relative resolves then. Every URL counts, also one that is left out or a base. */
  #resolved(reference: string, base: string): URL | undefined {
    if (base !== this.#base) {
      this.#base = base;
      this.#isUrl = URL.canParse(base);
    }
    const from = this.#isUrl ? base : undefined;
    if (!URL.canParse(reference, from)) return undefined;
    const url = new URL(reference, from);
    this.#lengthLeft -= url.href.length;
    return url;
  }
}
