import { Throttle } from '../delivery/throttle.js';
import type { Logger } from '../logger.js';
import type { CallbackRequest } from './callback-request.js';

/** Characters of a path that are logged. */
const MAX_LOGGED = 200;

/** A segment as long as a token, percent-encoded or not: an address below a callback would show that callback. */
const TOKEN_LIKE = /[\w%-]{32,}/g;

/** Logs requests for unknown callbacks: one line a minute, with the number of requests that it leaves out. */
export class UnknownCallbacks {
  readonly #minutes = new Throttle();
  readonly #logger: Logger;
  readonly #now: () => number;

  /** @param now epoch milliseconds */
  constructor(logger: Logger, now: () => number) {
    this.#logger = logger;
    this.#now = now;
  }

  warn({ method, target }: Pick<CallbackRequest, 'method' | 'target'>): void {
    const notLogged = this.#minutes.tryPass(this, this.#now());
    if (notLogged === undefined) return;
    this.#logger.warn(
      { method, path: withoutLastSegment(target), notLogged },
      'a request for an unknown callback was answered 404: its subscription was removed, is kept in another store, or the ' +
        'path was changed on the way',
    );
  }
}

/** The path up to its last segment, which may be a callback token. */
function withoutLastSegment(target: string): string {
  const query = target.indexOf('?');
  let end = query === -1 ? target.length : query;
  while (end > 0 && target[end - 1] === '/') end -= 1;
  const kept = target.slice(0, target.lastIndexOf('/', end - 1) + 1);
  return kept.replace(TOKEN_LIKE, '…').slice(0, MAX_LOGGED);
}
