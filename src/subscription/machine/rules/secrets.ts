import type { SecretRecord } from '../../record/record.js';

const DAY_MS = 86_400_000;

/** Milliseconds until a renewal when no secret is accepted. Not at once: the verification may be forged. */
const NO_SECRET_RETRY_MS = 60_000;

/**
 * The secrets after a request with the secret `value` (null: none). The new secret is pending and accepted for a day
 * from now. The previous pending secret is also accepted for a day: the hub may already use that secret (PROTOCOL V6).
 *
 * Quirk(Switchboard): signs with the new secret from the request on, even if the hub then refuses the renewal. We
 * accept a pending secret until a later one is verified or a day has passed.
 */
export function withPendingSecret(
  secrets: readonly SecretRecord[],
  value: string | null,
  now: number,
): readonly SecretRecord[] {
  const kept = secrets
    .filter((secret) => secret.role === 'current' || (secret.value !== value && isAccepted(secret, now)))
    .map((secret): SecretRecord =>
      secret.role === 'pending'
        ? { ...secret, role: 'replaced', acceptedUntil: Math.max(now + DAY_MS, secret.acceptedUntil ?? 0) }
        : secret,
    );
  if (kept.some((secret) => secret.role === 'current' && secret.value === value)) return kept;
  const { acceptedUntil = 0 } = secrets.find((secret) => secret.value === value) ?? {};
  return [...kept, { value, role: 'pending', acceptedUntil: Math.max(now + DAY_MS, acceptedUntil) }];
}

/**
 * The secrets after a verification of a request still in flight. Even if the request fails, the hub may sign with the
 * pending secret. The pending secret is therefore accepted until the lease ends.
 *
 * @param expiresAt epoch milliseconds
 */
export function withPendingSecretForLease(
  secrets: readonly SecretRecord[],
  expiresAt: number,
): readonly SecretRecord[] {
  return secrets.map((secret) =>
    secret.role === 'pending' ? { ...secret, acceptedUntil: Math.max(secret.acceptedUntil ?? 0, expiresAt) } : secret,
  );
}

/**
 * The secrets after a verification. The pending secret becomes current. The previous current secret is accepted for
 * another day.
 */
export function withVerifiedSecret(secrets: readonly SecretRecord[], now: number): readonly SecretRecord[] {
  const pending = secrets.find((secret) => secret.role === 'pending');
  if (pending === undefined) return secrets.filter((secret) => isAccepted(secret, now));
  const others = secrets
    .filter((secret) => secret !== pending && isAccepted(secret, now))
    .map((secret): SecretRecord =>
      secret.role === 'current' ? { ...secret, role: 'replaced', acceptedUntil: now + DAY_MS } : secret,
    );
  return [...others, { value: pending.value, role: 'current' }];
}

/**
 * The latest time to renew a grant whose hub may use a pending secret. Infinity if no secret is pending. If no secret
 * is accepted, one minute from now, because all content is rejected until then.
 *
 * @returns epoch milliseconds
 */
export function renewBeforeSecretLapse(secrets: readonly SecretRecord[], now: number): number {
  if (secrets.length > 0 && !secrets.some((secret) => isAccepted(secret, now))) return now + NO_SECRET_RETRY_MS;
  const pending = secrets.find((secret) => secret.role === 'pending' && isAccepted(secret, now));
  return pending?.acceptedUntil === undefined ? Infinity : Math.max(now, pending.acceptedUntil - DAY_MS / 2);
}

/** Whether content may be signed with the secret now. */
function isAccepted(secret: SecretRecord, now: number): boolean {
  return secret.acceptedUntil === undefined || secret.acceptedUntil > now;
}

/**
 * The secrets that content may be signed with now, newest first. Content may be unsigned if one of the accepted secrets
 * is null, or if there never was a secret.
 */
export function acceptedSecrets(
  secrets: readonly SecretRecord[],
  now: number,
): { readonly values: readonly string[]; readonly unsigned: boolean } {
  const accepted = secrets.filter((secret) => isAccepted(secret, now));
  return {
    values: accepted.flatMap((secret) => (secret.value === null ? [] : [secret.value])).toReversed(),
    unsigned: accepted.some((secret) => secret.value === null) || secrets.length === 0,
  };
}

/**
 * When the next accepted secret lapses.
 *
 * @returns epoch milliseconds; Infinity if no accepted secret lapses
 */
export function acceptedSecretsUntil(secrets: readonly SecretRecord[], now: number): number {
  const lapses = secrets.map((secret) => (isAccepted(secret, now) ? (secret.acceptedUntil ?? Infinity) : Infinity));
  return Math.min(...lapses);
}

/**
 * The latest secret that is not null: pending, else current, else replaced. An automatic secret is reused. Undefined if
 * the hub never got a secret.
 */
export function latestSecret(secrets: readonly SecretRecord[]): string | undefined {
  const latestOf = (role: SecretRecord['role']): string | undefined =>
    secrets.findLast((secret) => secret.role === role && secret.value !== null)?.value ?? undefined;
  return latestOf('pending') ?? latestOf('current') ?? latestOf('replaced');
}
