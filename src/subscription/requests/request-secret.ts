import { randomBytes } from 'node:crypto';
import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import { isLoopback } from '../../protocol/loopback.js';
import type { GrantRecord, SubscriptionRecord } from '../record/record.js';
import { latestSecret } from '../machine/rules/secrets.js';
import type { RequestPolicy } from '../request-policy.js';

/** Decides which secret a subscribe request carries. Null: none. */
export type SecretFor = (
  record: SubscriptionRecord,
  grant: GrantRecord,
  url: string,
  policy: RequestPolicy,
) => string | null;

/** Uses the subscription's secret, else the service's. By default, the hub's scheme and the protocol decide. */
export function requestSecrets(logger: Logger): SecretFor {
  /** Hubs that a warning was logged for. Each gets one only. */
  const warnedHubs = new Set<string>();

  return ({ overrides }, grant, url, { secret: configured, protocol }) => {
    const secret = overrides?.secret ?? configured;
    if (secret === false) return null;
    if (typeof secret === 'string' && secret !== 'auto') return secret;
    const lastSecret = grant.freshSecret === true ? undefined : latestSecret(grant.secrets);
    const automatic = (): string => lastSecret ?? randomBytes(32).toString('hex');
    if (secret === 'auto') return automatic();
    if (protocol === 'pubsubhubbub-0.3') return null;
    if (url.startsWith('https:')) return automatic();
    if (!warnedHubs.has(url)) warnOfPlainHttp(url, grant);
    return null;
  };

  function warnOfPlainHttp(url: string, grant: GrantRecord): void {
    warnedHubs.add(url);
    log(logger, 'secret.not-used', { grant: grant.id, hub: url, needsPermission: !isLoopback(url) });
  }
}
