import { randomBytes, randomUUID } from 'node:crypto';
import type { EngineContext } from '../../engine/engine-context.js';
import type { CallbackIndex, StoredSubscription } from './callback-index.js';
import { callbackKey } from './callback-key.js';
import type { GrantIdentity, TransitionContext } from '../machine/transition-types.js';
import type { RequestPolicy } from '../request-policy.js';

/**
 * The context of one subscription's transition. Identities of new grants are drawn only when the transition needs them.
 */
export interface RegistryContext extends TransitionContext {
  /** The identities drawn so far. */
  readonly newGrants: readonly GrantIdentity[];
}

/** The parts that decide about a subscription's transition. */
export interface TransitionParts {
  readonly policy: RequestPolicy;
  readonly callbacks: CallbackIndex;
  /** Id of this run of the process. */
  readonly member: string;
}

/** Creates the context of a subscription's transition. */
export function registryContext(
  clock: Pick<EngineContext, 'now' | 'random'>,
  stored: StoredSubscription,
  { policy, callbacks, member }: TransitionParts,
): RegistryContext {
  const now = clock.now();
  const { rules, callbackOf, newPath, hasOneCallback, protocol } = policy;
  const newGrants: GrantIdentity[] = [];
  const isTaken = (callback: string): boolean =>
    callbacks.isTaken(callbackKey(callback)) || newGrants.some(({ path }) => callbackOf(path) === callback);
  return {
    now,
    random: clock.random(),
    rules: { ...rules, leaseSeconds: stored.record.overrides?.leaseSeconds ?? rules.leaseSeconds },
    callbackOf,
    hasOneCallback,
    newGrants,
    newRequestId: randomUUID,
    member,
    // Only one process at a time uses the store, so any other run has ended.
    isMemberGone: (other) => other !== member,
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
