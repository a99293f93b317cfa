import type { Delivery } from '../delivery/delivery.js';
import type { DeliveryTarget } from '../delivery/delivery-target.js';
import type { SubscriberHooks } from '../delivery/hook-payloads.js';
import type { EventHandler, IntentHandlers } from '../delivery/handler/handlers.js';
import type { RefusedContent } from '../delivery/fetch/refused-content.js';
import { logsDebug, type Logger } from '../logger.js';
import type { SignatureAlgorithm } from '../protocol/signature.js';
import { lastSegment } from '../subscription/registry/callback-key.js';
import type { CallbackMatch, Registry } from '../subscription/registry/registry.js';
import { refusal, STOPPED, unavailable, type CallbackAnswer } from './answer.js';
import type { BodyLimits } from './callback-request.js';
import { answerDistribution } from './content/distribution.js';
import { answerIntent, type Verdicts } from './intent/intent.js';
import type { OncePerMinute } from './intent/recent-answers.js';
import type { Exchange } from './exchange.js';
import type { Rejections } from './content/rejections.js';
import type { UnknownCallbacks } from './unknown-callbacks.js';
import { RequestLog } from './request-log.js';

/** A service as its callbacks know it. */
export interface CallbackService extends DeliveryTarget {
  readonly handlers: EventHandler & IntentHandlers;
  readonly signature: {
    readonly algorithms: readonly SignatureAlgorithm[];
    readonly onFailure: 'reject' | 'acknowledge';
  };
  /** Values of the service's requests that no message may show: credentials, custom headers and custom parameters. */
  readonly hidden: readonly string[];
}

/** What callbacks work with. */
export interface CallbackOptions {
  readonly registry: Registry;
  readonly delivery: Delivery;
  readonly hooks: SubscriberHooks;
  readonly logger: Logger;
  readonly limits: BodyLimits;
  readonly rejections: Pick<Rejections, 'note'>;
  readonly refused: Pick<RefusedContent, 'note' | 'noteUnread'>;
  readonly unknown: UnknownCallbacks;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly serviceOf: (name: string) => CallbackService | undefined;
  /** Recent answers to verifications. */
  readonly verdicts: Verdicts;
  /** Recent denials and hub errors. */
  readonly notices: OncePerMinute;
  /** Why the store cannot be used, where that is known without asking it. */
  readonly storeFailure?: (() => Error | undefined) | undefined;
  /** Whether the runtime has ended: no handler is called any more. */
  readonly isClosed: () => boolean;
}

/** A match whose service is there. */
export interface ServedMatch extends CallbackMatch {
  readonly service: CallbackService;
}

/** Seconds after which a hub may come again when the code lacks the service. */
const COME_AGAIN_SECONDS = 120;

/** What a request target stands for; undefined where it is no callback that is, or was, known. */
export function matchCallback({ registry }: CallbackOptions, target: string): CallbackMatch | undefined {
  return registry.match(lastSegment(target));
}

/** Answers a request on a callback; `match` is what its target stands for. Never throws. */
export function answerCallback(options: CallbackOptions, given: Exchange, match: CallbackMatch | undefined): void {
  const { logger } = options;
  const exchange = logsDebug(logger) ? given.loggedBy(new RequestLog(logger, given.request.method, match)) : given;
  exchange.begin(() => {
    const { method } = exchange.request;
    const served = match && servedMatch(options, match);
    if (method === 'POST' && served !== undefined && !options.isClosed()) answerDistribution(options, served, exchange);
    else exchange.answer(() => otherAnswer(options, exchange, { match, served }));
  });
}

function servedMatch({ serviceOf }: CallbackOptions, { entry, grant }: CallbackMatch): ServedMatch | undefined {
  const service = serviceOf(entry.record.service);
  return service && { entry, grant, service };
}

/** The answer to whatever is no content for a service that runs. */
function otherAnswer(
  options: CallbackOptions,
  { request, log }: Exchange,
  { match, served }: { readonly match: CallbackMatch | undefined; readonly served: ServedMatch | undefined },
): CallbackAnswer | Promise<CallbackAnswer> {
  const { method } = request;
  if (method !== 'POST' && method !== 'GET' && method !== 'HEAD') {
    return refusal(405, 'a callback takes GET and POST', { headers: { allow: 'GET, HEAD, POST' } });
  }
  if (match === undefined) {
    options.unknown.note(request);
    return refusal(404, 'there is no such callback');
  }
  if (options.isClosed()) return STOPPED;
  if (served !== undefined) return answerIntent(options, served, request, log);
  return method === 'POST'
    ? unavailable('the service of this subscription is not running', COME_AGAIN_SECONDS)
    : refusal(404, 'the service of this subscription is not running');
}
