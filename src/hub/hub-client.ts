import type { EngineContext } from '../engine/engine-context.js';
import { log } from '../log-events.js';
import type { TopicContentSink } from './discovery/buffered-document.js';
import { discover, type Discovery } from './discovery/discover.js';
import { hubGuard } from './guard/private-network-guard.js';
import type { DiscoveryConfig, HttpClientConfig } from './http/http-config.js';
import { originOf } from './http/origin.js';
import { withDebugLog } from './outbound-log.js';
import type { OriginRateLimits, DeferrableRequest } from './pacing/origin-rate-limits.js';
import type { WithheldCredentials } from './redaction/withheld-credentials.js';
import { sendHubRequest, type HubAcceptance, type HubAnswer, type HubRequest } from './request/hub-request.js';

/** The parts that requests share. */
export interface HubClientParts {
  /** Origins that answered 429. Subscribe requests to them are deferred. */
  readonly rateLimits: Pick<OriginRateLimits, 'limit' | 'deferUntil'>;
  readonly withheld: Pick<WithheldCredentials, 'warn'>;
}

/** The subscription that a request is for, as log lines name it. */
interface RequestOwner {
  readonly subscription: string;
  readonly service: string;
}

/** A discovery of the hubs of a target. */
export interface TargetDiscovery extends RequestOwner {
  readonly target: string;
  readonly config: DiscoveryConfig;
  readonly allowPrivateNetworks: boolean;
  /** The alternate feed that named the hubs last time. */
  readonly lastFeed: string | undefined;
  /** Receives the topic's content if discovery reads it. */
  readonly contentSink: TopicContentSink | undefined;
}

/** A subscribe or unsubscribe request to one URL of a hub. */
export interface OutgoingHubRequest extends RequestOwner {
  readonly url: string;
  /** The hub as the publisher advertised it. Only its origin gets credentials. */
  readonly advertisedHub: string;
  /** The target or hub that the user configured. It decides which private addresses are allowed. */
  readonly configuredUrl: string;
  readonly form: HubRequest;
  readonly httpConfig: HttpClientConfig;
  readonly allowPrivateNetworks: boolean;
  readonly allowInsecureSecret: boolean;
  /** Secrets to redact from messages, in addition to the request's own. */
  readonly extraSecrets: readonly string[];
  /** The request as rate limits know it. Undefined: rate limits do not defer it. */
  readonly deferrable: DeferrableRequest | undefined;
}

/** Sends the runtime's discoveries and requests to hubs. It knows URLs, not the state of subscriptions. */
export interface HubClient {
  /**
   * Discovers the hubs of a target.
   *
   * @throws ResourceDiscoveryFailedError
   */
  discover(discovery: TargetDiscovery): Promise<Discovery>;
  /**
   * Sends one request, and remembers the origin of a 429.
   *
   * @throws RateLimitedError if a redirect leads to a rate limited origin
   * @throws the errors of `sendHubRequest`
   */
  send(request: OutgoingHubRequest): Promise<HubAcceptance>;
}

/** Creates the hub client of a runtime. */
export function hubClient(
  { logger, now, closing }: Pick<EngineContext, 'logger' | 'now' | 'closing'>,
  { rateLimits, withheld }: HubClientParts,
): HubClient {
  const { signal } = closing;
  return {
    discover({ subscription, service, target, config, allowPrivateNetworks, lastFeed, contentSink }) {
      const line = {
        event: 'discovery.ended' as const,
        fields: (found?: Discovery) => ({ subscription, service, target, via: found?.via, hubs: found?.hubs.length }),
      };
      const onWithheld = (url: string): void => withheld.warn(service, url, target);
      return withDebugLog(logger, line, (onAnswer) =>
        discover(target, config, { allowPrivateNetworks, onWithheld, lastFeed, signal, now, contentSink, onAnswer }),
      );
    },

    async send(request) {
      const { subscription, service, url, advertisedHub, configuredUrl, form, deferrable } = request;
      const guarded = request.allowPrivateNetworks ? false : await hubGuard(configuredUrl, url);
      const { mode, topic } = form;
      const line = {
        event: 'hub-request.ended' as const,
        fields: () => ({ subscription, service, mode, hub: url, topic }),
      };
      return withDebugLog(logger, line, (onAnswer) =>
        sendHubRequest(url, form, {
          httpConfig: request.httpConfig,
          credentialsFor: advertisedHub,
          onWithheld: (reached) => withheld.warn(service, reached, advertisedHub),
          onAnswer(answer) {
            rememberRateLimit(answer);
            onAnswer?.(answer);
          },
          deferUntil: deferrable && deferral(url, deferrable),
          extraSecrets: request.extraSecrets,
          allowInsecureSecret: request.allowInsecureSecret,
          guarded,
          signal,
          now,
        }),
      );
    },
  };

  /** Checks the rate limits once for each origin that redirects reach. The caller has checked the origin of `url`. */
  function deferral(url: string, limited: DeferrableRequest): (reached: string) => number | undefined {
    const checkedOrigins = new Set([originOf(url)]);
    return (reached) => {
      const origin = originOf(reached);
      if (checkedOrigins.has(origin)) return undefined;
      checkedOrigins.add(origin);
      return rateLimits.deferUntil(reached, limited);
    };
  }

  function rememberRateLimit({ url, status, retryAfterSeconds = 0 }: HubAnswer): void {
    if (status !== 429) return;
    const until = rateLimits.limit(url, retryAfterSeconds);
    if (until === undefined) return;
    log(logger, 'hub.rate-limited', { origin: originOf(url), until: new Date(until).toISOString() });
  }
}
