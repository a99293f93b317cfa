import { randomBytes, randomUUID } from 'node:crypto';
import { SubscriptionInitiationError } from '../errors.js';
import { discover } from '../hub/discover.js';
import { hubCandidates, isNoHubHere } from '../hub/hub-candidates.js';
import { hubGuard } from '../hub/private-reach.js';
import { sendHubRequest, type HubAcceptance } from '../hub/request.js';
import type { Logger } from '../logger.js';
import { isLoopback } from '../protocol/loopback.js';
import type { SubscriptionEvent } from './events.js';
import type { FailureRecord, GrantRecord, SubscriptionRecord } from './record.js';
import { failureOf } from './failure.js';
import { latestSecret } from './secrets.js';
import type { SubscriptionTarget } from './snapshot.js';
import type { ServiceTerms } from './terms.js';

/** As long as requests take where `httpConfig.timeoutMs` says nothing. */
const DEFAULT_TIMEOUT_MS = 10_000;

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

/** A request at one form of a hub's URL. */
interface Asking {
  readonly record: SubscriptionRecord;
  readonly grant: GrantRecord;
  readonly mode: 'subscribe' | 'unsubscribe';
  readonly terms: ServiceTerms;
  readonly url: string;
  /** Whether the hub is not to be tried at another form of its URL. */
  readonly isLast: boolean;
  readonly insteadOf?: string;
}

/** The network side of subscriptions. */
export function hubClient({ apply, logger, now, signal }: HubClientOptions): HubClient {
  /** Hubs that were warned about: once is enough, however often they are asked. */
  const unsafe = new Set<string>();
  return {
    async discover(record, terms) {
      const { id, target } = record;
      if (typeof target !== 'string') return;
      const { allowPrivateNetworks } = terms;
      let found;
      try {
        found = await discover(target, terms.discoveryConfig, { allowPrivateNetworks, signal });
      } catch (error) {
        if (signal.aborted) return;
        await apply(id, { type: 'discovery-failed', failure: failureOf(error, 'discovery', now()) });
        return;
      }
      if (signal.aborted) return;
      for (const warning of found.warnings ?? []) logger.warn({ subscription: id, target }, warning);
      await apply(id, { type: 'discovered', topic: found.topic, hubs: found.hubs });
    },

    async request(record, grantId, mode, terms) {
      const grant = record.grants.find((each) => each.id === grantId);
      if (grant === undefined) return;
      const [first, fallback] = grant.hubSettled ? [grant.hub] : hubCandidates(grant.hub);
      const open = await ask({ record, grant, mode, terms, url: first, isLast: fallback === undefined });
      if (open === undefined || fallback === undefined) return;
      await ask({ record, grant, mode, terms, url: fallback, isLast: true, insteadOf: open });
    },
  };

  /** @returns the request that was in vain at this URL, where the hub is to be tried at its other one */
  async function ask(asking: Asking): Promise<string | undefined> {
    const { record, grant, mode, terms, url, isLast, insteadOf } = asking;
    const { id } = record;
    const grantId = grant.id;
    const requestId = randomUUID();
    const secret = mode === 'subscribe' ? secretFor(record, grant, url, terms) : undefined;
    // The pending request is in the store before it leaves: many hubs verify while it is still open.
    const before = await apply(id, { type: 'requested', grantId, requestId, mode, secret, insteadOf });
    const asked = before.grants.find((each) => each.id === grantId);
    if (asked?.pending?.id !== requestId) return undefined;
    const sent = await send(asking, before, asked, secret);
    if (signal.aborted) return undefined;
    if ('hub' in sent) await apply(id, { type: 'accepted', grantId, requestId, hub: sent.hub, moved: sent.moved });
    else if (!isLast && isNoHubHere(sent.error)) return requestId;
    else await apply(id, outcome(sent.error, grantId, requestId, now()));
    return undefined;
  }

  async function send(
    { mode, terms, url }: Asking,
    { target, overrides }: SubscriptionRecord,
    { topic, callback, verifyToken, pending }: GrantRecord,
    secret: string | null | undefined,
  ): Promise<HubAcceptance | { readonly error: unknown }> {
    const { protocol, customParams, customHeaders, httpConfig, allowPrivateNetworks, allowInsecureSecret, rules } =
      terms;
    const leaseSeconds = overrides?.leaseSeconds ?? rules.leaseSeconds;
    const wanted = mode === 'subscribe' ? { leaseSeconds, secret: secret ?? undefined } : {};
    const form = { mode, topic, callback, protocol, verifyToken, customParams, customHeaders, ...wanted };
    // A request that is open for longer than the hub has for verifying would be in the way of the next try.
    const patienceMs = Math.max(1, (pending?.deadline ?? Infinity) - now());
    const timeoutMs = Math.min(httpConfig.timeoutMs ?? DEFAULT_TIMEOUT_MS, patienceMs);
    try {
      const guarded = allowPrivateNetworks ? false : await hubGuard(givenBy(target), url);
      const options = { httpConfig: { ...httpConfig, timeoutMs }, allowInsecureSecret, guarded, signal, now };
      return await sendHubRequest(url, form, options);
    } catch (error) {
      return { error };
    }
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
    if (!unsafe.has(url)) warnOfPlainHttp(url, grant);
    return null;
  }

  function warnOfPlainHttp(url: string, grant: GrantRecord): void {
    unsafe.add(url);
    logger.warn(
      { grant: grant.id, hub: url },
      `hub ${url} is reached over plain HTTP, so no secret is used and anybody who learns the callback can send content. ` +
        `Set secret${isLoopback(url) ? '' : ' and security.allowInsecureSecret'} to have it signed, or secret: false to accept that`,
    );
  }
}

/** The URL that the user vouches for. */
function givenBy(target: SubscriptionTarget): string {
  return typeof target === 'string' ? target : target.hub;
}

function outcome(error: unknown, grantId: string, requestId: string, now: number): SubscriptionEvent {
  const failed = (cause: FailureRecord['cause']) => ({ grantId, requestId, failure: failureOf(error, cause, now) });
  if (!(error instanceof SubscriptionInitiationError)) return { type: 'refused', ...failed('configuration') };
  const { reason, retryAfterSeconds } = error;
  if (reason === 'unreachable') return { type: 'unreachable', ...failed('unreachable') };
  if (reason === 'temporary') return { type: 'unreachable', ...failed('hub-error'), retryAfterSeconds };
  return { type: 'refused', ...failed(reason === 'refused' ? 'refused' : 'configuration'), retryAfterSeconds };
}
