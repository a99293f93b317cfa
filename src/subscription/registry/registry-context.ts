import { randomBytes, randomUUID } from 'node:crypto';
import type { CallbackIndex, Entry } from './callback-index.js';
import { callbackKey } from './callback-key.js';
import type { GrantIdentity, TransitionContext } from '../machine/events.js';
import type { ServiceTerms } from '../request-policy.js';

/** What a transition of one entry is told, with who its new grants are: drawn only where it makes any. */
export interface EntryContext extends TransitionContext {
  /** The identities that were given out. */
  readonly made: readonly GrantIdentity[];
}

/** The world as the transition of an entry sees it. */
export function entryContext(
  entry: Entry,
  { terms, callbacks, now, random }: { terms: ServiceTerms; callbacks: CallbackIndex; now: number; random: number },
): EntryContext {
  const { rules, callbackOf, newPath, hasOneCallback, protocol } = terms;
  const made: GrantIdentity[] = [];
  const isTaken = (callback: string): boolean =>
    callbacks.isTaken(callbackKey(callback)) || made.some(({ path }) => callbackOf(path) === callback);
  return {
    now,
    random,
    rules: { ...rules, leaseSeconds: entry.record.overrides?.leaseSeconds ?? rules.leaseSeconds },
    callbackOf,
    hasOneCallback,
    made,
    get callbackHeldUntil() {
      return callbacks.heldUntil(callbackKey(callbackOf(newPath(isTaken))), entry, now);
    },
    fresh() {
      const identity = {
        id: randomUUID(),
        path: newPath(isTaken),
        verifyToken: protocol === 'pubsubhubbub-0.3' ? randomBytes(16).toString('base64url') : undefined,
      };
      made.push(identity);
      return identity;
    },
  };
}
