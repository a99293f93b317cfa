import { randomBytes, randomUUID } from 'node:crypto';
import { SubscriptionInitiationError } from '../errors.js';
import { isPrivate } from '../hub/address-guard.js';
import { discover } from '../hub/discover.js';
import { hubCandidates, isNoHubHere } from '../hub/hub-candidates.js';
import { sendHubRequest } from '../hub/request.js';
import type { Logger } from '../logger.js';
import { isLoopback } from '../protocol/loopback.js';
import type { SubscriptionEvent } from './events.js';
import type { FailureRecord, GrantRecord, SubscriptionRecord } from './record.js';
import { failureOf } from './failure.js';
import { latestSecret } from './secrets.js';
import type { ServiceTerms } from './terms.js';

/** What asking a hub on behalf of a subscription works with. */
export interface HubClientOptions {
  readonly apply: (id: string, event: SubscriptionEvent) => Promise<SubscriptionRecord>;
  readonly logger: Logger;
  readonly now: () => number;
  /** Gives up what is under way. */
  readonly signal: AbortSignal;
}

/** Carries out the two effects that go out to the network. Both report how they ended as an event. */
export interface HubClient {
  /** Finds the hubs of the subscription's target. */
  discover(record: SubscriptionRecord, terms: ServiceTerms): Promise<void>;
  /** Asks the grant's hub. */
  request(
    record: SubscriptionRecord,
    grantId: string,
    mode: 'subscribe' | 'unsubscribe',
    terms: ServiceTerms,
  ): Promise<void>;
}

/** The network side of subscriptions. */
export function hubClient({ apply, logger, now, signal }: HubClientOptions): HubClient {
  return {
    async discover(record, terms) {
      const { id, target } = record;
      if (typeof target !== 'string') {
        await apply(id, { type: 'discovered', topic: target.topic, hubs: [target.hub] });
        return;
      }
      const { allowPrivateNetworks } = terms;
      let found;
      try {
        found = await discover(target, terms.discoveryConfig, { allowPrivateNetworks });
      } catch (error) {
        if (signal.aborted) return;
        await apply(id, { type: 'discovery-failed', failure: failureOf(error, 'discovery', now()) });
        return;
      }
      for (const warning of found.warnings ?? []) logger.warn({ subscription: id, target }, warning);
      await apply(id, { type: 'discovered', topic: found.topic, hubs: found.hubs });
    },

    async request(record, grantId, mode, terms) {
      const grant = record.grants.find((each) => each.id === grantId);
      if (grant === undefined) return;
      const [first, fallback] = grant.hubSettled ? [grant.hub] : hubCandidates(grant.hub);
      const outcome = await ask(record, grant, first, mode, terms, fallback === undefined);
      if (outcome === 'next' && fallback !== undefined) await ask(record, grant, fallback, mode, terms, true);
    },
  };

  async function ask(
    record: SubscriptionRecord,
    grant: GrantRecord,
    url: string,
    mode: 'subscribe' | 'unsubscribe',
    terms: ServiceTerms,
    last: boolean,
  ): Promise<'settled' | 'next'> {
    const { id } = record;
    const requestId = randomUUID();
    const grantId = grant.id;
    // The pending request is in the store before it leaves: many hubs verify while it is still open.
    const secret = mode === 'subscribe' ? secretFor(record, grant, url, terms) : undefined;
    const before = await apply(id, {
      type: 'requested',
      grantId,
      requestId,
      mode,
      ...(secret === undefined ? {} : { secret }),
    });
    const asked = before.grants.find((each) => each.id === grantId);
    if (asked?.pending?.id !== requestId) return 'settled';
    try {
      const { allowInsecureSecret } = terms;
      const guarded = !terms.allowPrivateNetworks && !(await isPrivate(givenBy(before, url)));
      const leaseSeconds = before.overrides?.leaseSeconds ?? terms.rules.leaseSeconds;
      const form = {
        mode,
        topic: asked.topic,
        callback: asked.callback,
        protocol: terms.protocol,
        verifyToken: asked.verifyToken,
        customParams: terms.customParams,
        customHeaders: terms.customHeaders,
        ...(mode === 'subscribe' ? { leaseSeconds, secret: secret ?? undefined } : {}),
      };
      const { hub, moved } = await sendHubRequest(url, form, {
        httpConfig: terms.httpConfig,
        allowInsecureSecret,
        guarded,
        signal,
        now,
      });
      await apply(id, { type: 'accepted', grantId, requestId, hub, moved });
    } catch (error) {
      if (signal.aborted) return 'settled';
      if (!(error instanceof SubscriptionInitiationError)) {
        const failure = failureOf(error, 'configuration', now());
        await apply(id, { type: 'refused', grantId, requestId, failure });
        return 'settled';
      }
      if (!last && isNoHubHere(error)) return 'next';
      await apply(id, outcome(error, grantId, requestId, now()));
    }
    return 'settled';
  }

  function secretFor(
    { overrides }: SubscriptionRecord,
    grant: GrantRecord,
    url: string,
    { secret: configured, protocol }: ServiceTerms,
  ): string | null {
    const secret = overrides?.secret ?? configured;
    if (secret === false) return null;
    if (typeof secret === 'string' && secret !== 'auto') return secret;
    const automatic = (): string => latestSecret(grant.secrets) ?? randomBytes(32).toString('hex');
    if (secret === 'auto') return automatic();
    if (protocol === 'pubsubhubbub-0.3') return null;
    if (url.startsWith('https:')) return automatic();
    logger.warn(
      { grant: grant.id, hub: url },
      `hub ${url} is reached over plain HTTP, so no secret is used and anybody who learns the callback can send content. ` +
        `Set secret${isLoopback(url) ? '' : ' and security.allowInsecureSecret'} to have it signed, or secret: false to accept that`,
    );
    return null;
  }
}

/** The URL that the user vouches for: what it leads to may lie in a private network if it does. */
function givenBy({ target }: SubscriptionRecord, hub: string): string {
  if (typeof target === 'string') return target;
  return new URL(target.hub).host === new URL(hub).host ? hub : target.hub;
}

function outcome(
  error: SubscriptionInitiationError,
  grantId: string,
  requestId: string,
  now: number,
): SubscriptionEvent {
  switch (error.reason) {
    case 'unreachable':
      return { type: 'unreachable', grantId, requestId, failure: failureOf(error, 'unreachable', now) };
    case 'temporary': {
      const failure = failureOf(error, 'hub-error', now);
      return { type: 'unreachable', grantId, requestId, failure, retryAfterSeconds: error.retryAfterSeconds };
    }
    case 'refused':
      return { type: 'refused', grantId, requestId, failure: failureOf(error, 'refused', now) };
    case 'forbidden':
      return { type: 'refused', grantId, requestId, failure: failureOf(error, 'configuration', now) };
  }
}
