import { createSecretKey, type KeyObject } from 'node:crypto';
import type { SecretRecord } from '../../subscription/record/record.js';
import { acceptedSecrets, acceptedUntil } from '../../subscription/machine/rules/secrets.js';

/** What content of a grant may be signed with. */
export interface AcceptedKeys {
  /** Newest first. */
  readonly keys: readonly KeyObject[];
  /** Whether it may come unsigned. */
  readonly unsigned: boolean;
}

interface Known extends AcceptedKeys {
  /** Since when it holds, and until when, in epoch milliseconds. */
  readonly since: number;
  readonly until: number;
}

/** Records are replaced and never changed: what was found for one holds until a secret lapses, or the clock is set back. */
const known = new WeakMap<readonly SecretRecord[], Known>();

/** What content may be signed with now. A secret is made a key once, and not for each delivery. */
export function acceptedKeys(secrets: readonly SecretRecord[], now: number): AcceptedKeys {
  const before = known.get(secrets);
  if (before !== undefined && before.since <= now && now < before.until) return before;
  const { values, unsigned } = acceptedSecrets(secrets, now);
  const keys = values.map((value) => createSecretKey(Buffer.from(value)));
  const found = { keys, unsigned, since: now, until: acceptedUntil(secrets, now) };
  known.set(secrets, found);
  return found;
}
