import type { DeliveryContext, DeliveryServices } from '../delivery/delivery-context.js';
import type { DeliveryService } from '../delivery/delivery-service.js';
import type { Delivery } from '../delivery/delivery.js';
import type { OverloadRecovery } from '../delivery/fetch/overload-recovery.js';
import type { Acknowledgement } from '../delivery/handler/acknowledgement.js';
import type { SignatureAlgorithm } from '../protocol/signature.js';
import type { CallbackMatch, Registry } from '../subscription/registry/registry.js';
import type { ServicePolicies } from '../subscription/subscription-context.js';
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

/** The running services, as callbacks need them. */
export interface CallbackServices extends DeliveryServices {
  get(service: string): CallbackService | undefined;
  /** Answers hubs for unwanted subscriptions whose service does not run. It has no handlers. */
  readonly leaving: CallbackService;
}

/** The parts of a runtime that answer callback requests. */
export interface CallbackContext extends DeliveryContext {
  readonly services: ServicePolicies & CallbackServices;
  readonly registry: Registry;
  readonly delivery: Delivery;
  readonly limits: BodyLimits;
  readonly rejections: Pick<RejectionLog, 'note'>;
  readonly overloadRecovery: Pick<OverloadRecovery, 'onRefused' | 'onRefusedUnread'>;
  readonly unknownCallbacks: UnknownCallbacks;
  /** Running verifications, and recent answers to unsolicited ones. */
  readonly recentVerifications: RecentVerifications;
  /** Recent denials and hub errors. */
  readonly recentNotices: NoticeThrottle;
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
