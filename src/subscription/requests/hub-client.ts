import { randomUUID } from 'node:crypto';
import { isBearerTokenError } from '../../hub/http/bearer-token.js';
import { discover } from '../../hub/discovery/discover.js';
import { hubCandidates, isHubMissing } from '../../hub/request/hub-candidates.js';
import type { TopicContentSink } from '../../hub/discovery/buffered-document.js';
import { withDebugLog } from '../../hub/outbound-log.js';
import { RateLimitedError, type OutgoingRequest, type OriginRateLimits } from '../../hub/pacing/origin-rate-limits.js';
import { originOf } from '../../hub/http/origin.js';
import { hubGuard } from '../../hub/guard/private-network-guard.js';
import { sendHubRequest, type HubAcceptance, type HubAnswer } from '../../hub/request/hub-request.js';
import type { WithheldCredentials } from '../../hub/redaction/withheld-credentials.js';
import { KIND, type Logger } from '../../logger.js';
import type { SubscriptionEvent } from '../machine/events.js';
import { failureOf } from '../record/failure.js';
import { withCustomParams } from '../record/overrides.js';
import { publisherRetryAt, publisherRetryAfterOf } from '../machine/rules/publisher-retry-after.js';
import type { GrantRecord, SubscriptionRecord } from '../record/record.js';
import { requestFailureEvent, withTopicOrigin } from './request-failure-event.js';
import { requestSecrets } from './request-secret.js';
import type { SubscriptionTarget } from '../record/snapshot.js';
import { discoveryLine, hubRequestLine } from './request-lines.js';
import { isWorking } from '../machine/state.js';
import type { RequestPolicy } from '../request-policy.js';
import { rememberedVerifyForm, shouldRetryWithVerify } from './verify-form.js';

/** As long as requests take where `httpConfig.timeoutMs` says nothing. */
const DEFAULT_TIMEOUT_MS = 10_000;

type Mode = 'subscribe' | 'unsubscribe';

/** Dependencies of asking a hub on behalf of a subscription. */
export interface HubClientOptions {
  readonly apply: (id: string, event: SubscriptionEvent) => Promise<SubscriptionRecord>;
  readonly logger: Logger;
  readonly now: () => number;
  /** Origins that answered 429 to one request: others wait as well. */
  readonly rateLimits: OriginRateLimits;
  readonly withheld: WithheldCredentials;
  /** Takes the topic of a subscription, where discovery reads it; undefined where nobody wants it. */
  readonly keeperOf: (record: SubscriptionRecord) => TopicContentSink | undefined;
  /** Gives up what is under way. */
  readonly signal: AbortSignal;
}

/** Carries out the two effects that go out to the network. Both report how they ended as an event. */
export interface HubClient {
  /** Finds the hubs of the subscription's target. */
  discover(record: SubscriptionRecord, terms: RequestPolicy): Promise<void>;
  /** Asks the grant's hub, or puts the request off where its origin is held. */
  request(record: SubscriptionRecord, grantId: string, mode: Mode, terms: RequestPolicy): Promise<void>;
  /** Whether a subscribe request would be put off. */
  wouldDefer(record: SubscriptionRecord, grantId: string): boolean;
}

/** A request at one form of a hub's URL. */
interface RequestAttempt {
  readonly record: SubscriptionRecord;
  readonly grant: GrantRecord;
  readonly mode: Mode;
  readonly policy: RequestPolicy;
  readonly url: string;
  /** Whether the hub is not to be tried at another form of its URL. */
  readonly isLastUrl: boolean;
  /** The request that is open already, made in another way. */
  readonly insteadOf?: string | undefined;
  /** Set where the hub answered 400 to the same request without `hub.verify`. */
  readonly firstFailure?: FailedSend | undefined;
}

/** A request that came to nothing. */
interface FailedSend {
  readonly error: unknown;
  readonly secret: string | null | undefined;
}

/** The network side of subscriptions. */
export function hubClient(options: HubClientOptions): HubClient {
  const { apply, logger, now, rateLimits, withheld, keeperOf, signal } = options;
  const secretFor = requestSecrets(logger);
  return {
    async discover(record, policy) {
      const { id, target, service, feed: lastFeed } = record;
      if (typeof target !== 'string') return;
      const until = publisherRetryAt(record, target, now()) ?? (lastFeed && publisherRetryAt(record, lastFeed, now()));
      if (typeof until === 'number') {
        await apply(id, { type: 'discovery-deferred', until });
        return;
      }
      const { allowPrivateNetworks } = policy;
      const onWithheld = (url: string): void => withheld.warn(service, url, target);
      let discovery;
      try {
        const contentSink = keeperOf(record);
        const context = { allowPrivateNetworks, onWithheld, lastFeed, signal, now, contentSink };
        discovery = await withDebugLog(logger, discoveryLine(record), (onAnswer) =>
          discover(target, policy.discoveryConfig, { ...context, onAnswer }),
        );
      } catch (error) {
        if (signal.aborted) return;
        const retryAfter = publisherRetryAfterOf(error, target, now());
        const cause = isBearerTokenError(error) ? 'configuration' : 'discovery';
        await apply(id, { type: 'discovery-failed', failure: failureOf(error, cause, now()), retryAfter });
        return;
      }
      if (signal.aborted) return;
      for (const warning of discovery.warnings ?? []) logger.warn({ subscription: id, target }, warning);
      await apply(id, { type: 'discovered', topic: discovery.topic, hubs: discovery.hubs, feed: discovery.feed });
    },

    async request(record, grantId, mode, policy) {
      const grant = grantOf(record, grantId);
      if (grant === undefined) return;
      const [url, fallback] = urlsOf(grant);
      const failedRequestId = await sendAttempt({
        record,
        grant,
        mode,
        policy,
        url,
        isLastUrl: fallback === undefined,
      });
      if (failedRequestId === undefined || fallback === undefined) return;
      await sendAttempt({ record, grant, mode, policy, url: fallback, isLastUrl: true, insteadOf: failedRequestId });
    },

    wouldDefer(record, grantId) {
      const grant = grantOf(record, grantId);
      return grant !== undefined && rateLimits.wouldDefer(urlsOf(grant)[0], outgoingRequest(record, grant));
    },
  };

  /** @returns the request that was in vain at this URL, where the hub is to be tried at its other one */
  async function sendAttempt(attempt: RequestAttempt): Promise<string | undefined> {
    const { record, grant, mode, policy, url, isLastUrl, insteadOf, firstFailure } = attempt;
    const outcomeOf = (failure: unknown, request: string): SubscriptionEvent => {
      const explained = mode === 'subscribe' ? withTopicOrigin(failure, record.target) : failure;
      return requestFailureEvent(explained, grant.id, request, now());
    };
    const { id } = record;
    const grantId = grant.id;
    if (mode === 'subscribe' && firstFailure === undefined) {
      const until = rateLimits.deferUntil(url, outgoingRequest(record, grant));
      if (until !== undefined) {
        await apply(id, { type: 'request-deferred', grantId, until, requestId: insteadOf });
        return undefined;
      }
    }
    const requestId = randomUUID();
    const secret =
      mode === 'unsubscribe' ? undefined : firstFailure ? firstFailure.secret : secretFor(record, grant, url, policy);
    // Quirk(websub.rocks, PubSubHubbub 0.3): verify while the subscribe request is still open. We store it before it leaves
    // (PROTOCOL S2).
    const before = await apply(id, { type: 'requested', grantId, requestId, mode, secret, insteadOf });
    const pendingGrant = grantOf(before, grantId);
    if (pendingGrant?.pending?.id !== requestId) return undefined;
    const effectivePolicy = withCustomParams(policy, before);
    const verify = firstFailure === undefined ? rememberedVerifyForm(pendingGrant, effectivePolicy) : 'async';
    const result = await send({ ...attempt, policy: effectivePolicy }, before, pendingGrant, { secret, verify });
    if (signal.aborted) return undefined;
    if ('hub' in result) {
      const { hub, moved, status } = result;
      const isDone = status === 204 && (mode === 'unsubscribe' || verify === 'async' || policy.protocol !== 'websub');
      await apply(id, { type: 'accepted', grantId, requestId, hub, moved, isDone, verifyForm: verify ?? 'none' });
      return undefined;
    }
    const { error } = result;
    if (firstFailure !== undefined) {
      await apply(id, outcomeOf(firstFailure.error, requestId));
    } else if (error instanceof RateLimitedError) {
      await apply(id, { type: 'request-deferred', grantId, until: error.until, requestId });
    } else if (!isLastUrl && isHubMissing(error)) {
      return requestId;
    } else if (mode === 'subscribe' && shouldRetryWithVerify(error, pendingGrant, effectivePolicy)) {
      await sendAttempt({ ...attempt, insteadOf: requestId, firstFailure: { error, secret } });
    } else {
      await apply(id, outcomeOf(error, requestId));
    }
    return undefined;
  }

  async function send(
    { record, grant, mode, policy, url }: RequestAttempt,
    { service, target, overrides }: SubscriptionRecord,
    { advertisedHub, topic, callback, verifyToken, pending, secrets }: GrantRecord,
    { secret, verify }: { readonly secret: string | null | undefined; readonly verify: 'async' | undefined },
  ): Promise<HubAcceptance | { readonly error: unknown }> {
    const { protocol, customParams, customHeaders, httpConfig, allowPrivateNetworks, allowInsecureSecret, rules } =
      policy;
    const leaseSeconds = overrides?.leaseSeconds ?? rules.leaseSeconds;
    const subscribeParams = mode === 'subscribe' ? { leaseSeconds, secret: secret ?? undefined } : {};
    const form = {
      mode,
      topic,
      callback,
      protocol,
      verifyToken,
      verify,
      customParams,
      customHeaders,
      ...subscribeParams,
    };
    // A request that is open for longer than the hub has for verifying would be in the way of the next try.
    const deadline = mode === 'unsubscribe' ? Infinity : (pending?.deadline ?? Infinity);
    const remainingMs = Math.max(1, deadline - now());
    const timeoutMs = Math.min(httpConfig.timeoutMs ?? DEFAULT_TIMEOUT_MS, remainingMs);
    const passed = new Set([originOf(url)]);
    const deferUntil = (reached: string): number | undefined => {
      const isPassed = mode === 'unsubscribe' || passed.has(originOf(reached));
      passed.add(originOf(reached));
      return isPassed ? undefined : rateLimits.deferUntil(reached, outgoingRequest(record, grant));
    };
    try {
      const guarded = allowPrivateNetworks ? false : await hubGuard(trustedUrlOf(target), url);
      const line = hubRequestLine(record, { mode, hub: url, topic });
      return await withDebugLog(logger, line, (onAnswer) =>
        sendHubRequest(url, form, {
          httpConfig: { ...httpConfig, timeoutMs },
          credentialsFor: advertisedHub,
          onWithheld: (reached) => withheld.warn(service, reached, advertisedHub),
          onAnswer(answer) {
            noteRateLimit(answer);
            onAnswer?.(answer);
          },
          deferUntil,
          extraSecrets: secrets.flatMap(({ value }) => value ?? []),
          allowInsecureSecret,
          guarded,
          signal,
          now,
        }),
      );
    } catch (error) {
      return { error };
    }
  }

  function noteRateLimit({ url, status, retryAfterSeconds = 0 }: HubAnswer): void {
    if (status !== 429) return;
    const until = rateLimits.limit(url, retryAfterSeconds);
    if (until === undefined) return;
    const [hub, wait] = [originOf(url), new Date(until).toISOString()];
    logger.warn(
      { [KIND]: `429 from ${hub}`, hub, until: wait },
      `hub ${hub} answered 429: subscribe requests to it wait until ${wait}`,
    );
  }
}

function grantOf({ grants }: SubscriptionRecord, grantId: string): GrantRecord | undefined {
  return grants.find(({ id }) => id === grantId);
}

/** The URLs to ask a grant's hub at, in order (PROTOCOL S7). */
function urlsOf({ hub, hubSettled }: GrantRecord): readonly [first: string, fallback?: string] {
  return hubSettled ? [hub] : hubCandidates(hub);
}

function outgoingRequest({ id }: SubscriptionRecord, grant: GrantRecord): OutgoingRequest {
  return { subscriptionId: id, grantId: grant.id, expiresAt: isWorking(grant) ? grant.expiresAt : undefined };
}

/** The URL that the user vouches for. */
function trustedUrlOf(target: SubscriptionTarget): string {
  return typeof target === 'string' ? target : target.hub;
}
