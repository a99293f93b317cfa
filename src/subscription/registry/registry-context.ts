import { randomBytes, randomUUID } from 'node:crypto';
import type { CallbackIndex, StoredSubscription } from './callback-index.js';
import { callbackKey } from './callback-key.js';
import type { GrantIdentity, TransitionContext } from '../machine/events.js';
import type { RequestPolicy } from '../request-policy.js';

/** What a transition of one entry is told, with who its new grants are: drawn only where it makes any. */
export interface RegistryContext extends TransitionContext {
  /** The identities that were given out. */
  readonly newGrants: readonly GrantIdentity[];
}

/** The world as the transition of an entry sees it. */
export function registryContext(
  stored: StoredSubscription,
  {
    terms: policy,
    callbacks,
    now,
    random,
  }: { terms: RequestPolicy; callbacks: CallbackIndex; now: number; random: number },
): RegistryContext {
  const { rules, callbackOf, newPath, hasOneCallback, protocol } = policy;
  const newGrants: GrantIdentity[] = [];
  const isTaken = (callback: string): boolean =>
    callbacks.isTaken(callbackKey(callback)) || newGrants.some(({ path }) => callbackOf(path) === callback);
  return {
    now,
    random,
    rules: { ...rules, leaseSeconds: stored.record.overrides?.leaseSeconds ?? rules.leaseSeconds },
    callbackOf,
    hasOneCallback,
    newGrants,
    get callbackReservedUntil() {
      return callbacks.reservedUntil(callbackKey(callbackOf(newPath(isTaken))), stored, now);
    },
    newGrantIdentity() {
      const identity = {
        id: randomUUID(),
        path: newPath(isTaken),
        verifyToken: protocol === 'pubsubhubbub-0.3' ? randomBytes(16).toString('base64url') : undefined,
      };
      newGrants.push(identity);
      return identity;
    },
  };
}
