import { defineSubscriber } from '../../src/decorators/define-subscriber.js';
import { SubscriberService } from '../../src/decorators/subscriber-service.js';
import type { Acknowledgement } from '../../src/delivery/handler/acknowledgement.js';
import type { ContentDistributionMessage } from '../../src/delivery/message/message.js';
import type {
  SubscriptionVerification,
  SubscriptionVerificationSuccess,
  UnsubscriptionVerification,
  UnsubscriptionVerificationSuccess,
} from '../../src/delivery/handler/verification.js';
import { Logger } from '../../src/logger.js';
import { definitionsOf } from '../../src/runtime/services/definition.js';
import type { StartOptions } from '../../src/runtime/config/start-options.js';
import { SubscriberRuntime, type SubscriberHandlers } from '../../src/runtime/subscriber-runtime.js';
import type { InternalHubError, SubscriptionDeniedError } from '../../src/subscription/hub-errors.js';

class Archive {
  readonly ids: string[] = [];
}

@SubscriberService()
class Smallest {
  onEventNotification(): void {}
}

@SubscriberService({
  target: 'https://example.com/feed',
  targets: ['https://example.com/comments', { hub: 'https://hub.example/', topic: 'https://example.com/topic' }],
  name: 'news',
  inject: [Archive, Logger, SubscriberRuntime, 'region', Symbol('tenant')],
  leaseSeconds: 864_000,
  secret: 'auto',
  callback: 'https://me.example.com/cb',
  appendServicePath: true,
  servicePath: 'news/latest',
  unsubscribeOnShutdown: false,
  hubs: 'all',
  protocol: 'pubsubhubbub-0.3',
  httpConfig: { timeoutMs: 5_000, headers: { 'x-key': 'k' }, auth: { bearer: 'token' }, maxRedirects: 2 },
  discoveryConfig: { accept: ['*/*'], acceptLanguage: 'nl', httpConfig: { auth: { bearer: async () => 'token' } } },
  customParams: { 'hub.events': 'patient-open' },
  customHeaders: { 'x-tenant': 'a' },
  verifyTimeoutSeconds: 30,
  maxAttempts: 10,
  delivery: {
    mode: 'queued',
    deadLetters: { keepCount: 10 },
    ackAfterMs: 1_000,
    retryForSeconds: 60,
    concurrency: 2,
    maxPending: 5,
  },
  signature: { algorithms: ['sha256', 'sha512'], onFailure: 'acknowledge' },
})
class Whole {
  readonly #archive: Archive;

  constructor(archive: Archive, log: Logger, runtime: SubscriberRuntime, region: string, tenant: string) {
    this.#archive = archive;
    void [log, runtime, region, tenant];
  }

  async onEventNotification(event: ContentDistributionMessage): Promise<Acknowledgement | void> {
    this.#archive.ids.push(event.id);
    if (this.#archive.ids.length > 1) return { headers: { 'x-seen': 'yes' }, body: { seen: 'yes' } };
  }

  onSubscriptionVerification(verification: SubscriptionVerification): SubscriptionVerificationSuccess {
    return { headers: { 'x-topic': verification.topic } };
  }

  async onUnsubscriptionVerification(
    verification: UnsubscriptionVerification,
  ): Promise<UnsubscriptionVerificationSuccess | void> {
    void verification;
  }

  onSubscriptionValidationDenied(denial: SubscriptionDeniedError): Acknowledgement {
    return { body: { noted: denial.message } };
  }

  onHubError = (error: InternalHubError): void => void error;

  async onStart(runtime: SubscriberRuntime): Promise<void> {
    void runtime.url;
  }

  onShutdown(): void {}
}

@SubscriberService({ target: ['https://hub.example/', 'https://example.com/topic'], secret: false })
class ArrowFunction {
  readonly onEventNotification = async ({ id }: ContentDistributionMessage): Promise<void> => void id;
}

@SubscriberService()
class Implements implements SubscriberHandlers {
  onEventNotification(event: { readonly id: string }): Acknowledgement {
    return { body: { id: event.id } };
  }
}

@SubscriberService()
class Inherits extends Implements {
  protected readonly extra = 1;
}

export const definitions = definitionsOf([
  Smallest,
  Whole,
  ArrowFunction,
  Inherits,
  defineSubscriber({ target: 'https://example.com/feed' }, { onEventNotification: ({ id }) => void id }),
  defineSubscriber({ name: 'again', inject: [Archive] }, Whole),
  defineSubscriber({ name: 'an instance' }, new Smallest()),
]);

export const withKey: StartOptions = { security: { sealKey: 'MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=' } };
export const withKeys: StartOptions = { security: { sealKey: Object.freeze(['one', 'two']) } };
