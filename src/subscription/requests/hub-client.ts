import { randomUUID } from 'node:crypto';
import { isTokenFailure } from '../../hub/http/bearer-token.js';
import { discover } from '../../hub/discovery/discover.js';
import { hubCandidates, isNoHubHere } from '../../hub/request/hub-candidates.js';
import type { TopicKeeper } from '../../hub/discovery/buffered-document.js';
import { logged } from '../../hub/outbound-log.js';
import { HeldOriginError, type LeavingRequest, type OriginHolds } from '../../hub/pacing/origin-rate-limits.js';
import { originOf } from '../../hub/http/origin.js';
import { hubGuard } from '../../hub/guard/private-network-guard.js';
import { sendHubRequest, type HubAcceptance, type HubAnswer } from '../../hub/request/hub-request.js';
import type { WithheldCredentials } from '../../hub/redaction/withheld-credentials.js';
import { KIND, type Logger } from '../../logger.js';
import type { SubscriptionEvent } from '../machine/events.js';
import { failureOf } from '../record/failure.js';
import { withOwnParams } from '../record/overrides.js';
import { heldUntil, holdOf } from '../machine/rules/publisher-retry-after.js';
import type { GrantRecord, SubscriptionRecord } from '../record/record.js';
import { requestOutcome, withTopicsOrigin } from './request-failure-event.js';
import { requestSecrets } from './request-secret.js';
import type { SubscriptionTarget } from '../record/snapshot.js';
import { discoveryLine, hubRequestLine } from './request-lines.js';
import { isWorking } from '../machine/state.js';
import type { ServiceTerms } from '../request-policy.js';
import { rememberedForm, wantsVerify } from './verify-form.js';

/** As long as requests take where `httpConfig.timeoutMs` says nothing. */
const DEFAULT_TIMEOUT_MS = 10_000;

type Mode = 'subscribe' | 'unsubscribe';

/** Dependencies of asking a hub on behalf of a subscription. */
export interface HubClientOptions {
  readonly apply: (id: string, event: SubscriptionEvent) => Promise<SubscriptionRecord>;
  readonly logger: Logger;
  readonly now: () => number;
  /** Origins that answered 429 to one request: others wait as well. */
  readonly holds: OriginHolds;
  readonly withheld: WithheldCredentials;
  /** Takes the topic of a subscription, where discovery reads it; undefined where nobody wants it. */
  readonly keeperOf: (record: SubscriptionRecord) => TopicKeeper | undefined;
  /** Gives up what is under way. */
  readonly signal: AbortSignal;
}

/** Carries out the two effects that go out to the network. Both report how they ended as an event. */
export interface HubClient {
  /** Finds the hubs of the subscription's target. */
  discover(record: SubscriptionRecord, terms: ServiceTerms): Promise<void>;
  /** Asks the grant's hub, or puts the request off where its origin is held. */
  request(record: SubscriptionRecord, grantId: string, mode: Mode, terms: ServiceTerms): Promise<void>;
  /** Whether a subscribe request would be put off. */
  wouldHold(record: SubscriptionRecord, grantId: string): boolean;
}

/** A request at one form of a hub's URL. */
interface Asking {
  readonly record: SubscriptionRecord;
  readonly grant: GrantRecord;
  readonly mode: Mode;
  readonly terms: ServiceTerms;
  readonly url: string;
  /** Whether the hub is not to be tried at another form of its URL. */
  readonly isLast: boolean;
  /** The request that is open already, made in another way. */
  readonly insteadOf?: string | undefined;
  /** Set where the hub answered 400 to the same request without `hub.verify`. */
  readonly first?: Failed | undefined;
}

/** A request that came to nothing. */
interface Failed {
  readonly error: unknown;
  readonly secret: string | null | undefined;
}

/** The network side of subscriptions. */
export function hubClient(options: HubClientOptions): HubClient {
  const { apply, logger, now, holds, withheld, keeperOf, signal } = options;
  const secretFor = requestSecrets(logger);
  return {
    async discover(record, terms) {
      const { id, target, service, feed: lastFeed } = record;
      if (typeof target !== 'string') return;
      const until = heldUntil(record, target, now()) ?? (lastFeed && heldUntil(record, lastFeed, now()));
      if (typeof until === 'number') {
        await apply(id, { type: 'discovery-held', until });
        return;
      }
      const { allowPrivateNetworks } = terms;
      const onWithheld = (url: string): void => withheld.warn(service, url, target);
      let found;
      try {
        const keep = keeperOf(record);
        const context = { allowPrivateNetworks, onWithheld, lastFeed, signal, now, keep };
        found = await logged(logger, discoveryLine(record), (onAnswer) =>
          discover(target, terms.discoveryConfig, { ...context, onAnswer }),
        );
      } catch (error) {
        if (signal.aborted) return;
        const hold = holdOf(error, target, now());
        const cause = isTokenFailure(error) ? 'configuration' : 'discovery';
        await apply(id, { type: 'discovery-failed', failure: failureOf(error, cause, now()), hold });
        return;
      }
      if (signal.aborted) return;
      for (const warning of found.warnings ?? []) logger.warn({ subscription: id, target }, warning);
      await apply(id, { type: 'discovered', topic: found.topic, hubs: found.hubs, feed: found.feed });
    },

    async request(record, grantId, mode, terms) {
      const grant = grantOf(record, grantId);
      if (grant === undefined) return;
      const [url, fallback] = urlsOf(grant);
      const open = await ask({ record, grant, mode, terms, url, isLast: fallback === undefined });
      if (open === undefined || fallback === undefined) return;
      await ask({ record, grant, mode, terms, url: fallback, isLast: true, insteadOf: open });
    },

    wouldHold(record, grantId) {
      const grant = grantOf(record, grantId);
      return grant !== undefined && holds.wouldHold(urlsOf(grant)[0], leaving(record, grant));
    },
  };

  /** @returns the request that was in vain at this URL, where the hub is to be tried at its other one */
  async function ask(asking: Asking): Promise<string | undefined> {
    const { record, grant, mode, terms, url, isLast, insteadOf, first } = asking;
    const outcomeOf = (failure: unknown, request: string): SubscriptionEvent => {
      const explained = mode === 'subscribe' ? withTopicsOrigin(failure, record.target) : failure;
      return requestOutcome(explained, grant.id, request, now());
    };
    const { id } = record;
    const grantId = grant.id;
    if (mode === 'subscribe' && first === undefined) {
      const until = holds.putOff(url, leaving(record, grant));
      if (until !== undefined) {
        await apply(id, { type: 'held-back', grantId, until, requestId: insteadOf });
        return undefined;
      }
    }
    const requestId = randomUUID();
    const secret = mode === 'unsubscribe' ? undefined : first ? first.secret : secretFor(record, grant, url, terms);
    // Quirk(websub.rocks, PubSubHubbub 0.3): verify while the subscribe request is still open. We store it before it leaves
    // (PROTOCOL S2).
    const before = await apply(id, { type: 'requested', grantId, requestId, mode, secret, insteadOf });
    const asked = grantOf(before, grantId);
    if (asked?.pending?.id !== requestId) return undefined;
    const own = withOwnParams(terms, before);
    const verify = first === undefined ? rememberedForm(asked, own) : 'async';
    const sent = await send({ ...asking, terms: own }, before, asked, { secret, verify });
    if (signal.aborted) return undefined;
    if ('hub' in sent) {
      const { hub, moved, status } = sent;
      const isDone = status === 204 && (mode === 'unsubscribe' || verify === 'async' || terms.protocol !== 'websub');
      await apply(id, { type: 'accepted', grantId, requestId, hub, moved, isDone, verifyForm: verify ?? 'none' });
      return undefined;
    }
    const { error } = sent;
    if (first !== undefined) {
      await apply(id, outcomeOf(first.error, requestId));
    } else if (error instanceof HeldOriginError) {
      await apply(id, { type: 'held-back', grantId, until: error.until, requestId });
    } else if (!isLast && isNoHubHere(error)) {
      return requestId;
    } else if (mode === 'subscribe' && wantsVerify(error, asked, own)) {
      await ask({ ...asking, insteadOf: requestId, first: { error, secret } });
    } else {
      await apply(id, outcomeOf(error, requestId));
    }
    return undefined;
  }

  async function send(
    { record, grant, mode, terms, url }: Asking,
    { service, target, overrides }: SubscriptionRecord,
    { advertisedHub, topic, callback, verifyToken, pending, secrets }: GrantRecord,
    { secret, verify }: { readonly secret: string | null | undefined; readonly verify: 'async' | undefined },
  ): Promise<HubAcceptance | { readonly error: unknown }> {
    const { protocol, customParams, customHeaders, httpConfig, allowPrivateNetworks, allowInsecureSecret, rules } =
      terms;
    const leaseSeconds = overrides?.leaseSeconds ?? rules.leaseSeconds;
    const wanted = mode === 'subscribe' ? { leaseSeconds, secret: secret ?? undefined } : {};
    const form = { mode, topic, callback, protocol, verifyToken, verify, customParams, customHeaders, ...wanted };
    // A request that is open for longer than the hub has for verifying would be in the way of the next try.
    const deadline = mode === 'unsubscribe' ? Infinity : (pending?.deadline ?? Infinity);
    const patienceMs = Math.max(1, deadline - now());
    const timeoutMs = Math.min(httpConfig.timeoutMs ?? DEFAULT_TIMEOUT_MS, patienceMs);
    const passed = new Set([originOf(url)]);
    const putOff = (reached: string): number | undefined => {
      const isPassed = mode === 'unsubscribe' || passed.has(originOf(reached));
      passed.add(originOf(reached));
      return isPassed ? undefined : holds.putOff(reached, leaving(record, grant));
    };
    try {
      const guarded = allowPrivateNetworks ? false : await hubGuard(givenBy(target), url);
      const line = hubRequestLine(record, { mode, hub: url, topic });
      return await logged(logger, line, (onAnswer) =>
        sendHubRequest(url, form, {
          httpConfig: { ...httpConfig, timeoutMs },
          credentialsFor: advertisedHub,
          onWithheld: (reached) => withheld.warn(service, reached, advertisedHub),
          onAnswer(answer) {
            noteHold(answer);
            onAnswer?.(answer);
          },
          putOff,
          hidden: secrets.flatMap(({ value }) => value ?? []),
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

  function noteHold({ url, status, retryAfterSeconds = 0 }: HubAnswer): void {
    if (status !== 429) return;
    const until = holds.hold(url, retryAfterSeconds);
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

function leaving({ id }: SubscriptionRecord, grant: GrantRecord): LeavingRequest {
  return { subscriptionId: id, grantId: grant.id, expiresAt: isWorking(grant) ? grant.expiresAt : undefined };
}

/** The URL that the user vouches for. */
function givenBy(target: SubscriptionTarget): string {
  return typeof target === 'string' ? target : target.hub;
}
