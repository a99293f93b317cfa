import { KIND, type Logger } from '../../logger.js';

/** Origins that were warned about, remembered at most. */
const MOST_REMEMBERED = 1_000;

/** Says which origin is sent no credentials, and which one they are for. */
export function withheldFrom(url: string, givenFor: string): string {
  return `Credentials and configured headers are not sent to ${new URL(url).origin}: they are for ${new URL(givenFor).origin} only`;
}

/** Warns where configured credentials are not sent, once for each service and origin (PROTOCOL S5). */
export class WithheldCredentials {
  readonly #logger: Logger;
  readonly #told = new Set<string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /**
   * @param url where a request goes without them
   * @param givenFor the hub or target whose origin they are for
   */
  warn(service: string, url: string, givenFor: string): void {
    const { origin } = new URL(url);
    const key = `${origin} ${service}`;
    if (this.#told.has(key)) return;
    if (this.#told.size >= MOST_REMEMBERED) this.#told.clear();
    this.#told.add(key);
    this.#logger.warn(
      // Each origin is told of once, so its line is a kind of its own.
      { [KIND]: `credentials not sent to ${origin}`, service, origin },
      `${withheldFrom(url, givenFor)}. To send them there, give that URL as hub or target`,
    );
  }
}
