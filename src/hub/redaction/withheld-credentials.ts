import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';

/** Maximum number of remembered warnings. */
const MAX_REMEMBERED_WARNINGS = 1_000;

/** Names the origin that gets no credentials, and the origin that they are for. */
export function withheldMessage(url: string, credentialsFor: string): string {
  const [target, owner] = [new URL(url).origin, new URL(credentialsFor).origin];
  return `Credentials and configured headers are not sent to ${target}, because they are for ${owner} only`;
}

/** Warns about configured credentials that are not sent, once per service and origin (PROTOCOL S5). */
export class WithheldCredentials {
  readonly #logger: Logger;
  readonly #warned = new Set<string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /**
   * @param url the URL of the request without credentials
   * @param credentialsFor the hub or target that the credentials are for
   */
  warn(service: string, url: string, credentialsFor: string): void {
    const { origin } = new URL(url);
    const key = `${origin} ${service}`;
    if (this.#warned.has(key)) return;
    if (this.#warned.size >= MAX_REMEMBERED_WARNINGS) this.#warned.clear();
    this.#warned.add(key);
    log(this.#logger, 'credentials.withheld', { service, origin, detail: new URL(credentialsFor).origin });
  }
}
