import type { DeliveryService } from '../delivery/delivery-service.js';
import type { Delivery } from '../delivery/delivery.js';
import type { OverloadRecovery } from '../delivery/fetch/overload-recovery.js';
import type { Acknowledgement } from '../delivery/handler/acknowledgement.js';
import type { SubscriberHooks } from '../delivery/hook-payloads.js';
import type { Logger } from '../logger.js';
import type { SignatureAlgorithm } from '../protocol/signature.js';
import type { CallbackMatch, Registry } from '../subscription/registry/registry.js';
import type { CallbackAnswer } from './answer.js';
import type { BodyLimits } from './callback-request.js';
import type { RejectionLog } from './content/rejection-log.js';
import type { EventHandler, IntentHandlers } from '../delivery/handler/handlers.js';
import type { NoticeThrottle, RecentAnswers } from './intent/recent-answers.js';
import type { UnknownCallbacks } from './unknown-callbacks.js';

/** A service, with the options that its callbacks need. */
export interface CallbackService extends DeliveryService {
  readonly handlers: EventHandler & IntentHandlers;
  readonly signature: {
    readonly algorithms: readonly SignatureAlgorithm[];
    readonly onFailure: 'reject' | 'acknowledge';
  };
  /** Values to redact from messages: credentials, custom headers and custom parameters of the service's requests. */
  readonly redactedValues: readonly string[];
}

/** Dependencies of the functions that answer callback requests. */
export interface CallbackContext {
  readonly registry: Registry;
  readonly delivery: Delivery;
  readonly hooks: SubscriberHooks;
  readonly logger: Logger;
  readonly limits: BodyLimits;
  readonly rejections: Pick<RejectionLog, 'note'>;
  readonly overloadRecovery: Pick<OverloadRecovery, 'onRefused' | 'onRefusedUnread'>;
  readonly unknownCallbacks: UnknownCallbacks;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly serviceOf: (name: string) => CallbackService | undefined;
  /** Answers hubs for unwanted subscriptions whose service does not run. It has no handlers. */
  readonly leavingService: CallbackService;
  /** Running verifications, and recent answers to unsolicited ones. */
  readonly recentVerifications: RecentVerifications;
  /** Recent denials and hub errors. */
  readonly recentNotices: NoticeThrottle;
  /** The error of the store if it is known to be down, without a new request to the store. */
  readonly storeFailure?: (() => Error | undefined) | undefined;
  /** Whether a stop has closed the callbacks. No handler is called for them then. */
  readonly areCallbacksClosed: () => boolean;
}

/** A callback match whose service is running. */
export interface ServedMatch extends CallbackMatch {
  readonly service: CallbackService;
}

/** The outcome of a verification, apart from its challenge. */
export type VerificationResult =
  | {
      readonly headers: Acknowledgement['headers'];
      /** The request that was verified. Undefined: nobody had asked. */
      readonly requestId: string | undefined;
    }
  | { readonly errorAnswer: CallbackAnswer };

/** Running verifications, and results of unsolicited ones in the last minute. */
export type RecentVerifications = RecentAnswers<VerificationResult | Promise<VerificationResult>>;
