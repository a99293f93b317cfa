/** The longest URL read from a document, and the longest URL of a document itself, in characters (PROTOCOL D12). */
export const MAX_URL_LENGTH = 8 * 1024;

/** Limit of the total length of all URLs resolved for one document, in characters (PROTOCOL D12). */
const MAX_TOTAL_LENGTH = 16 * 1024 * 1024;

/**
 * Resolves the links of one document within the bounds of PROTOCOL D12. A resolved URL is ASCII, so its length equals
 * its size in bytes. Create one instance per document, because each counts the URLs that it resolves.
 */
export class DocumentUrls {
  readonly #documentUrl: string;
  #lengthLeft: number;
  /** The last base used, and whether it is a URL. Most links of a document share one base. */
  #base: string;
  #isUrl: boolean;

  /**
   * @param documentUrl the URL of the document. A topic that is no URL is allowed: then only absolute links resolve.
   * @throws RangeError when it is longer than 8 KiB
   */
  constructor(documentUrl: string, maxTotalLength = MAX_TOTAL_LENGTH) {
    if (documentUrl.length > MAX_URL_LENGTH) {
      throw new RangeError(
        `The URL of the document is ${documentUrl.length} characters long; it must be at most ${MAX_URL_LENGTH}`,
      );
    }
    this.#documentUrl = documentUrl;
    this.#lengthLeft = maxTotalLength;
    this.#base = documentUrl;
    this.#isUrl = URL.canParse(documentUrl);
  }

  /** The document's URL: the outermost base. */
  get documentUrl(): string {
    return this.#documentUrl;
  }

  /**
   * Returns the base that `<base href>` or `xml:base` sets within an outer base. The outer base stays when
   * `reference` is undefined or does not resolve. A base over the bound is replaced by the document's URL.
   */
  base(reference: string | undefined, outer: string = this.#documentUrl): string {
    if (reference === undefined) return outer;
    if (reference.length > MAX_URL_LENGTH) return this.#documentUrl;
    // Each entry may set a base: with no length left, resolving it would be wasted work.
    const url = this.#lengthLeft > 0 ? this.#resolved(reference, outer) : undefined;
    if (url === undefined) return outer;
    return url.href.length > MAX_URL_LENGTH ? this.#documentUrl : url.href;
  }

  /** Resolves a link against a base of this document; undefined when it does not resolve or is over a bound. */
  resolve(reference: string, base: string = this.#documentUrl): URL | undefined {
    if (this.#lengthLeft <= 0 || reference.length > MAX_URL_LENGTH) return undefined;
    const url = this.#resolved(reference, base);
    if (url === undefined) return undefined;
    return url.href.length > MAX_URL_LENGTH || this.#lengthLeft < 0 ? undefined : url;
  }

  /**
   * Resolves a reference. Every resolved URL counts toward the total length, also bases and dropped links. If the base
   * is not a URL, only absolute references resolve.
   */
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
