import { createSecretKey, type KeyObject } from 'node:crypto';
import type { SecretRecord } from '../../subscription/record/record.js';
import { acceptedSecrets, acceptedSecretsUntil } from '../../subscription/machine/rules/secrets.js';

/** What content of a grant may be signed with. */
export interface AcceptedKeys {
  /** Newest first. */
  readonly keys: readonly KeyObject[];
  /** Whether it may come unsigned. */
  readonly unsigned: boolean;
}

interface CachedKeys extends AcceptedKeys {
  /** Since when it holds, and until when, in epoch milliseconds. */
  readonly validFrom: number;
  readonly validUntil: number;
}

/** Records are replaced and never changed: what was found for one holds until a secret lapses, or the clock is set back. */
const cache = new WeakMap<readonly SecretRecord[], CachedKeys>();

/** What content may be signed with now. A secret is made a key once, and not for each delivery. */
export function acceptedKeys(secrets: readonly SecretRecord[], now: number): AcceptedKeys {
  const cached = cache.get(secrets);
  if (cached !== undefined && cached.validFrom <= now && now < cached.validUntil) return cached;
  const { values, unsigned } = acceptedSecrets(secrets, now);
  const keys = values.map((value) => createSecretKey(Buffer.from(value)));
  const result = { keys, unsigned, validFrom: now, validUntil: acceptedSecretsUntil(secrets, now) };
  cache.set(secrets, result);
  return result;
}
