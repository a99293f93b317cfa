import { KIND, type Logger } from '../../logger.js';

/** Origins that were warned about, remembered at most. */
const MAX_REMEMBERED_ORIGINS = 1_000;

/** Says which origin is sent no credentials, and which one they are for. */
export function withheldMessage(url: string, credentialsFor: string): string {
  return `Credentials and configured headers are not sent to ${new URL(url).origin}: they are for ${new URL(credentialsFor).origin} only`;
}

/** Warns where configured credentials are not sent, once for each service and origin (PROTOCOL S5). */
export class WithheldCredentials {
  readonly #logger: Logger;
  readonly #warned = new Set<string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /**
   * @param url where a request goes without them
   * @param credentialsFor the hub or target whose origin they are for
   */
  warn(service: string, url: string, credentialsFor: string): void {
    const { origin } = new URL(url);
    const key = `${origin} ${service}`;
    if (this.#warned.has(key)) return;
    if (this.#warned.size >= MAX_REMEMBERED_ORIGINS) this.#warned.clear();
    this.#warned.add(key);
    this.#logger.warn(
      // Each origin is told of once, so its line is a kind of its own.
      { [KIND]: `credentials not sent to ${origin}`, service, origin },
      `${withheldMessage(url, credentialsFor)}. To send them there, give that URL as hub or target`,
    );
  }
}
