import { shouldLogDebug } from '../logger.js';
import { lastSegment } from '../subscription/registry/callback-key.js';
import type { CallbackMatch } from '../subscription/registry/registry.js';
import { errorAnswer, STOPPED, unavailable, type CallbackAnswer } from './answer.js';
import { REASON } from './answer-reasons.js';
import type { CallbackContext, ServedMatch } from './callback-context.js';
import { answerDistribution } from './content/distribution.js';
import { answerIntent } from './intent/intent.js';
import type { Exchange } from './exchange.js';
import { RequestLog } from './request-log.js';

/** `Retry-After` of the 503 if the service is not running, in seconds. */
const RETRY_AFTER_SECONDS = 120;

/** The subscription and grant of a request target; undefined if it is no current or former callback. */
export function matchCallback({ registry }: CallbackContext, target: string): CallbackMatch | undefined {
  return registry.match(lastSegment(target));
}

/** Answers a request on a callback. `match` is the match of its target. Never throws. */
export function answerCallback(
  context: CallbackContext,
  unloggedExchange: Exchange,
  match: CallbackMatch | undefined,
): void {
  const { logger } = context;
  const exchange = shouldLogDebug(logger)
    ? unloggedExchange.withLog(new RequestLog(logger, unloggedExchange.request.method, match))
    : unloggedExchange;
  exchange.run(() => {
    const { method } = exchange.request;
    const served = match && servedMatch(context, match);
    if (method === 'POST' && served !== undefined && !context.closing.areCallbacksClosed)
      answerDistribution(context, served, exchange);
    else exchange.answer(() => otherAnswer(context, exchange, { match, served }));
  });
}

function servedMatch({ services }: CallbackContext, { stored, grant }: CallbackMatch): ServedMatch | undefined {
  const service = services.get(stored.record.service);
  return service && { stored, grant, service };
}

/** The answer to any request other than content for a running service. */
function otherAnswer(
  context: CallbackContext,
  { request, requestLog }: Exchange,
  { match, served }: { readonly match: CallbackMatch | undefined; readonly served: ServedMatch | undefined },
): CallbackAnswer | Promise<CallbackAnswer> {
  const { method } = request;
  if (method !== 'POST' && method !== 'GET' && method !== 'HEAD') {
    return errorAnswer(405, REASON.methodNotAllowed, { headers: { allow: 'GET, HEAD, POST' } });
  }
  if (match === undefined) {
    context.unknownCallbacks.warn(request);
    return errorAnswer(404, REASON.unknownCallback);
  }
  if (context.closing.areCallbacksClosed) return STOPPED;
  if (served !== undefined) return answerIntent(context, served, request, requestLog);
  if (match.stored.record.desired === 'unsubscribed') {
    // The subscription is being left, although its service does not run.
    if (method === 'POST') return errorAnswer(410, REASON.ended);
    return answerIntent(context, { ...match, service: context.services.leaving }, request, requestLog);
  }
  return method === 'POST'
    ? unavailable(REASON.serviceNotRunning, RETRY_AFTER_SECONDS)
    : errorAnswer(404, REASON.serviceNotRunning);
}
