import type { Delivery } from '../delivery/delivery.js';
import type { DeliveryTarget } from '../delivery/delivery-target.js';
import type { Hooks } from '../delivery/hooks.js';
import type { Logger } from '../logger.js';
import type { SignatureAlgorithm } from '../protocol/signature.js';
import { lastSegment } from '../subscription/callback-key.js';
import type { CallbackMatch, Registry } from '../subscription/registry.js';
import { refusal, STOPPED, unavailable, type CallbackAnswer } from './answer.js';
import type { BodyLimits, CallbackRequest } from './callback-request.js';
import { answerDistribution } from './distribution.js';
import type { IntentHandlers } from './intent-handlers.js';
import { answerIntent } from './intent.js';

/** A service as its callbacks know it. */
export interface CallbackService extends DeliveryTarget {
  readonly intent: IntentHandlers;
  readonly signature: {
    readonly algorithms: readonly SignatureAlgorithm[];
    readonly onFailure: 'reject' | 'acknowledge';
  };
}

/** What callbacks work with. */
export interface CallbackOptions {
  readonly registry: Registry;
  readonly delivery: Delivery;
  readonly hooks: Hooks;
  readonly logger: Logger;
  readonly limits: BodyLimits;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly serviceOf: (name: string) => CallbackService | undefined;
  /** Whether the runtime has ended: no handler is called any more. */
  readonly isClosed: () => boolean;
}

/** A match whose service is there. */
export interface ServedMatch extends CallbackMatch {
  readonly service: CallbackService;
}

/** Seconds after which a hub may come again when the code lacks the service, or the store is down. */
const COME_AGAIN_SECONDS = 120;

/** What a request target stands for; undefined where it is no callback that is, or was, known. */
export function matchCallback({ registry }: CallbackOptions, target: string): CallbackMatch | undefined {
  return registry.match(lastSegment(target));
}

/** Answers a request on a callback; `match` is what its target stands for. Never rejects. */
export async function answerCallback(
  options: CallbackOptions,
  request: CallbackRequest,
  match: CallbackMatch | undefined,
): Promise<CallbackAnswer> {
  try {
    return await callbackAnswer(options, request, match);
  } catch (error) {
    return unanswerable(options, request, error);
  }
}

/** The same. One that cannot be answered throws, or rejects: `unanswerable` is the answer then. */
export function callbackAnswer(
  options: CallbackOptions,
  request: CallbackRequest,
  match: CallbackMatch | undefined,
): CallbackAnswer | Promise<CallbackAnswer> {
  const { method } = request;
  if (method !== 'POST' && method !== 'GET' && method !== 'HEAD') {
    return refusal(405, 'a callback takes GET and POST', { headers: { allow: 'GET, HEAD, POST' } });
  }
  if (match === undefined) return refusal(404, 'there is no such callback');
  if (options.isClosed()) return STOPPED;
  const service = options.serviceOf(match.entry.record.service);
  if (service === undefined) {
    return method === 'POST'
      ? unavailable('the service of this subscription is not running', COME_AGAIN_SECONDS)
      : refusal(404, 'the service of this subscription is not running');
  }
  const served = { entry: match.entry, grant: match.grant, service };
  return (method === 'POST' ? answerDistribution : answerIntent)(options, served, request);
}

export function unanswerable({ logger }: CallbackOptions, { method }: CallbackRequest, error: unknown): CallbackAnswer {
  logger.error({ err: error, method }, 'a callback request could not be answered: 503');
  return unavailable('the request could not be handled now', COME_AGAIN_SECONDS);
}
