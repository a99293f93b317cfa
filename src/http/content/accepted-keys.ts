import { createSecretKey, type KeyObject } from 'node:crypto';
import type { SecretRecord } from '../../subscription/record/record.js';
import { acceptedSecrets, acceptedSecretsUntil } from '../../subscription/machine/rules/secrets.js';

/** The keys that content of a grant may be signed with. */
export interface AcceptedKeys {
  /** Newest first. */
  readonly keys: readonly KeyObject[];
  /** Whether unsigned content is accepted. */
  readonly unsigned: boolean;
}

interface CachedKeys extends AcceptedKeys {
  /** Epoch milliseconds. */
  readonly validFrom: number;
  /** Epoch milliseconds. */
  readonly validUntil: number;
}

/** Records are immutable, so the keys of a record are valid until a secret expires or the clock is set back. */
const cache = new WeakMap<readonly SecretRecord[], CachedKeys>();

/** The keys that content may be signed with now. They are cached, so that a delivery need not create them. */
export function acceptedKeys(secrets: readonly SecretRecord[], now: number): AcceptedKeys {
  const cached = cache.get(secrets);
  if (cached !== undefined && cached.validFrom <= now && now < cached.validUntil) return cached;
  const { values, unsigned } = acceptedSecrets(secrets, now);
  const keys = values.map((value) => createSecretKey(Buffer.from(value)));
  const result = { keys, unsigned, validFrom: now, validUntil: acceptedSecretsUntil(secrets, now) };
  cache.set(secrets, result);
  return result;
}
