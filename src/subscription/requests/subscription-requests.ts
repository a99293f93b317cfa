import type { EngineContext } from '../../engine/engine-context.js';
import type { TopicContentSink } from '../../hub/discovery/buffered-document.js';
import type { HubClient } from '../../hub/hub-client.js';
import { isBearerTokenError } from '../../hub/http/bearer-token.js';
import {
  RateLimitedError,
  type DeferrableRequest,
  type OriginRateLimits,
} from '../../hub/pacing/origin-rate-limits.js';
import { hubCandidates, isHubMissing } from '../../hub/request/hub-candidates.js';
import type { HubAcceptance } from '../../hub/request/hub-request.js';
import { log } from '../../log-events.js';
import type { TransitionInput } from '../machine/transition-types.js';
import { publisherRetryAt, publisherRetryAfterOf } from '../machine/rules/publisher-retry-after.js';
import { grantOf, isWorking } from '../machine/state.js';
import { failureOf } from '../record/failure.js';
import { withCustomParams } from '../record/overrides.js';
import type { GrantRecord, SubscriptionRecord } from '../record/record.js';
import type { Registry } from '../registry/registry.js';
import type { RequestPolicy } from '../request-policy.js';
import { requestFailureInput, withTopicExplanation } from './request-failure-input.js';
import { requestSecrets } from './request-secret.js';
import { rememberedVerifyForm, shouldRetryWithVerify } from './verify-form.js';

/** Milliseconds that a request may take if `httpConfig.timeoutMs` is not set. */
const DEFAULT_TIMEOUT_MS = 10_000;

type Mode = 'subscribe' | 'unsubscribe';

/** Takes the content of topics that discovery reads. */
export interface TopicSinks {
  /** The receiver of a subscription's topic. Undefined: nobody needs it. */
  sinkFor(record: SubscriptionRecord): TopicContentSink | undefined;
}

/** The parts that send the requests of subscriptions, and take their results. */
export interface RequestParts {
  readonly client: HubClient;
  readonly registry: Pick<Registry, 'update'>;
  /** Origins that answered 429. Subscribe requests to them are deferred. */
  readonly rateLimits: Pick<OriginRateLimits, 'deferUntil' | 'wouldDefer'>;
  readonly topicSinks: TopicSinks;
}

/** Performs the two effects of a transition that use the network. Each reports its result as an input. */
export interface SubscriptionRequests {
  /** Discovers the hubs of the subscription's target. */
  discover(record: SubscriptionRecord, policy: RequestPolicy): Promise<void>;
  /**
   * Sends the grant's current request to its hub, if that has this mode. Defers it if the hub's origin is rate limited.
   */
  request(record: SubscriptionRecord, grantId: string, mode: Mode, policy: RequestPolicy): Promise<void>;
  /** Whether a subscribe request would be deferred. */
  wouldDefer(record: SubscriptionRecord, grantId: string): boolean;
}

/** A request to one of the hub's URLs. */
interface RequestAttempt {
  readonly record: SubscriptionRecord;
  readonly grant: GrantRecord;
  readonly mode: Mode;
  readonly policy: RequestPolicy;
  readonly url: string;
  /** Whether the hub has no other URL to try. */
  readonly isLastUrl: boolean;
  readonly requestId: string;
  /** The number of this send, from 1. */
  readonly send: number;
  /** The failure of the same request without `hub.verify`, if the hub answered it with 400. */
  readonly firstFailure?: FailedSend | undefined;
}

interface FailedSend {
  readonly error: unknown;
  readonly secret: string | null | undefined;
}

/** Creates the object that discovers hubs and sends requests for a runtime's subscriptions. */
export function subscriptionRequests(
  { logger, now, closing }: Pick<EngineContext, 'logger' | 'now' | 'closing'>,
  { client, registry, rateLimits, topicSinks }: RequestParts,
): SubscriptionRequests {
  const { signal } = closing;
  const update: Registry['update'] = (id, input) => registry.update(id, input);
  const secretFor = requestSecrets(logger);
  return {
    async discover(record, policy) {
      const { id, target, service, feed: lastFeed, currentDiscovery: discoveryId } = record;
      if (typeof target !== 'string' || discoveryId === undefined) return;
      const until = publisherRetryAt(record, target, now()) ?? (lastFeed && publisherRetryAt(record, lastFeed, now()));
      if (typeof until === 'number') {
        await update(id, { type: 'discovery-deferred', discoveryId, until });
        return;
      }
      const { discoveryConfig: config, allowPrivateNetworks } = policy;
      let discovery;
      try {
        const contentSink = topicSinks.sinkFor(record);
        const owner = { subscription: id, service };
        discovery = await client.discover({ ...owner, target, config, allowPrivateNetworks, lastFeed, contentSink });
      } catch (error) {
        if (signal.aborted) return;
        const retryAfter = publisherRetryAfterOf(error, target, now());
        const cause = isBearerTokenError(error) ? 'configuration' : 'discovery';
        const failure = failureOf(error, cause, now());
        await update(id, { type: 'discovery-failed', discoveryId, failure, retryAfter });
        return;
      }
      if (signal.aborted) return;
      for (const detail of discovery.warnings ?? [])
        log(logger, 'discovery.warning', { subscription: id, target, detail });
      const { topic, hubs, feed } = discovery;
      await update(id, { type: 'discovered', discoveryId, topic, hubs, feed });
    },

    async request(record, grantId, mode, policy) {
      const grant = grantOf(record, grantId);
      const requestId = grant?.currentRequest;
      // The request was sent already, or its reason has gone while it waited.
      if (grant === undefined || requestId === undefined) return;
      if ((grant.state === 'unsubscribing') !== (mode === 'unsubscribe')) return;
      const [url, fallback] = urlsOf(grant);
      const isLastUrl = fallback === undefined;
      const attempt = { record, grant, mode, policy, requestId };
      const isHubMissingThere = await sendAttempt({ ...attempt, send: 1, url, isLastUrl });
      if (!isHubMissingThere || isLastUrl) return;
      await sendAttempt({ ...attempt, send: 2, url: fallback, isLastUrl: true });
    },

    wouldDefer(record, grantId) {
      const grant = grantOf(record, grantId);
      return grant !== undefined && rateLimits.wouldDefer(urlsOf(grant)[0], deferrableRequest(record, grant));
    },
  };

  /** @returns whether the hub's other URL is to be tried */
  async function sendAttempt(attempt: RequestAttempt): Promise<boolean> {
    const { record, grant, mode, policy, url, isLastUrl, requestId, send: sendNumber, firstFailure } = attempt;
    const failureInput = (failure: unknown): TransitionInput => {
      const explained = mode === 'subscribe' ? withTopicExplanation(failure, record.target) : failure;
      return requestFailureInput(explained, grant.id, requestId, now());
    };
    const { id } = record;
    const grantId = grant.id;
    if (mode === 'subscribe' && firstFailure === undefined) {
      const until = rateLimits.deferUntil(url, deferrableRequest(record, grant));
      if (until !== undefined) {
        await update(id, { type: 'request-deferred', grantId, until, requestId });
        return false;
      }
    }
    const secret =
      mode === 'unsubscribe' ? undefined : firstFailure ? firstFailure.secret : secretFor(record, grant, url, policy);
    // Quirk(websub.rocks, PubSubHubbub 0.3): verify while the subscribe request is still open. We store the request
    // before we send it (PROTOCOL S2).
    const requested = { type: 'requested', grantId, requestId, mode, secret, send: sendNumber } as const;
    const { record: requestedRecord, isChanged } = await update(id, requested);
    const pendingGrant = grantOf(requestedRecord, grantId);
    // The request was sent already, its reason has gone, or the hub is requested later.
    if (!isChanged || pendingGrant?.pending?.id !== requestId) return false;
    const effectivePolicy = withCustomParams(policy, requestedRecord);
    const verify = firstFailure === undefined ? rememberedVerifyForm(pendingGrant, effectivePolicy) : 'async';
    const result = await send({ ...attempt, policy: effectivePolicy }, requestedRecord, pendingGrant, {
      secret,
      verify,
    });
    if (signal.aborted) return false;
    if ('hub' in result) {
      const { hub, moved, status } = result;
      const isDone = status === 204 && (mode === 'unsubscribe' || verify === 'async' || policy.protocol !== 'websub');
      await update(id, { type: 'accepted', grantId, requestId, hub, moved, isDone, verifyForm: verify ?? 'none' });
      return false;
    }
    const { error } = result;
    if (firstFailure !== undefined) {
      await update(id, failureInput(firstFailure.error));
    } else if (error instanceof RateLimitedError) {
      await update(id, { type: 'request-deferred', grantId, until: error.until, requestId });
    } else if (!isLastUrl && isHubMissing(error)) {
      return true;
    } else if (mode === 'subscribe' && shouldRetryWithVerify(error, pendingGrant, effectivePolicy)) {
      await sendAttempt({ ...attempt, send: sendNumber + 1, firstFailure: { error, secret } });
    } else {
      await update(id, failureInput(error));
    }
    return false;
  }

  async function send(
    { record, grant, mode, policy, url }: RequestAttempt,
    { id, service, target, overrides }: SubscriptionRecord,
    { advertisedHub, topic, callback, verifyToken, pending, secrets }: GrantRecord,
    { secret, verify }: { readonly secret: string | null | undefined; readonly verify: 'async' | undefined },
  ): Promise<HubAcceptance | { readonly error: unknown }> {
    const { protocol, customParams, customHeaders, httpConfig, allowPrivateNetworks, allowInsecureSecret } = policy;
    const leaseSeconds = overrides?.leaseSeconds ?? policy.rules.leaseSeconds;
    const subscribeParams = mode === 'subscribe' ? { leaseSeconds, secret: secret ?? undefined } : {};
    const common = { mode, topic, callback, protocol, verifyToken, verify, customParams, customHeaders };
    // A request open past the verification deadline would block the next attempt.
    const deadline = mode === 'unsubscribe' ? Infinity : (pending?.deadline ?? Infinity);
    const timeoutMs = Math.min(httpConfig.timeoutMs ?? DEFAULT_TIMEOUT_MS, Math.max(1, deadline - now()));
    try {
      return await client.send({
        subscription: id,
        service,
        url,
        advertisedHub,
        configuredUrl: typeof target === 'string' ? target : target.hub,
        form: { ...common, ...subscribeParams },
        httpConfig: { ...httpConfig, timeoutMs },
        allowPrivateNetworks,
        allowInsecureSecret,
        extraSecrets: secrets.flatMap(({ value }) => value ?? []),
        deferrable: mode === 'unsubscribe' ? undefined : deferrableRequest(record, grant),
      });
    } catch (error) {
      return { error };
    }
  }
}

/** The URLs to send the grant's requests to, in order (PROTOCOL S7). */
function urlsOf({ hub, hasHubAccepted }: GrantRecord): readonly [first: string, fallback?: string] {
  return hasHubAccepted ? [hub] : hubCandidates(hub);
}

function deferrableRequest({ id }: SubscriptionRecord, grant: GrantRecord): DeferrableRequest {
  return { subscriptionId: id, grantId: grant.id, expiresAt: isWorking(grant) ? grant.expiresAt : undefined };
}
