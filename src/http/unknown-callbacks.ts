import { Throttle } from '../delivery/throttle.js';
import type { EngineContext } from '../engine/engine-context.js';
import { log } from '../log-events.js';
import type { CallbackRequest } from './callback-request.js';

/** Maximum length of a logged path, in characters. */
const MAX_LOGGED_LENGTH = 200;

/** Matches segments that may be a token, percent-encoded or not. In a path below a callback, the token is not last. */
const TOKEN_LIKE = /[\w%-]{32,}/g;

/** Logs requests for unknown callbacks: one line a minute, with the number of suppressed lines. */
export class UnknownCallbacks {
  readonly #throttle = new Throttle();
  readonly #context: Pick<EngineContext, 'logger' | 'now'>;

  constructor(context: Pick<EngineContext, 'logger' | 'now'>) {
    this.#context = context;
  }

  warn({ method, target }: Pick<CallbackRequest, 'method' | 'target'>): void {
    const { logger, now } = this.#context;
    const suppressed = this.#throttle.tryPass(this, now());
    if (suppressed === undefined) return;
    log(logger, 'callback.unknown', { method, path: withoutLastSegment(target), suppressed });
  }
}

/** The path up to its last segment, which may be a callback token. */
function withoutLastSegment(target: string): string {
  const query = target.indexOf('?');
  let end = query === -1 ? target.length : query;
  while (end > 0 && target[end - 1] === '/') end -= 1;
  const path = target.slice(0, target.lastIndexOf('/', end - 1) + 1);
  return path.replace(TOKEN_LIKE, '…').slice(0, MAX_LOGGED_LENGTH);
}
