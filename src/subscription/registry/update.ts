import { transition } from '../machine/transition.js';
import type { NamedEffect, NamedTransition, TransitionInput } from '../machine/transition-types.js';
import { canDeferWrite } from '../record/deferred-write.js';
import type { SubscriptionRecord } from '../record/record.js';
import type { StoredSubscription } from './callback-index.js';
import type { RegistryContext } from './registry-context.js';

/** The result of an input. */
export interface Update {
  /** The record after the input. */
  readonly record: SubscriptionRecord;
  /** Whether the input changed the record or had effects. */
  readonly isChanged: boolean;
}

/** The result of an input before it is stored. */
export interface Decision extends Update {
  readonly stored: StoredSubscription;
  readonly effects: readonly NamedEffect[];
  /** Absent if the subscription's service does not run. */
  readonly context: RegistryContext | undefined;
  /** Whether the write may be deferred (see `canDeferWrite`). */
  readonly mayWait: boolean;
}

/** A change that is no transition. */
export const NO_EFFECTS: Pick<Decision, 'context' | 'effects'> = { context: undefined, effects: [] };

/** Decides what an input changes. Nothing without a context: the subscription's service does not run. */
export function decide(
  stored: StoredSubscription,
  input: TransitionInput,
  context: RegistryContext | undefined,
): Decision {
  const before = stored.record;
  if (context === undefined) return { stored, record: before, effects: [], context, isChanged: false, mayWait: false };
  const next = transition(before, input, context);
  const isChanged = next.record !== before || next.effects.length > 0;
  return { stored, ...next, context, isChanged, mayWait: canWait(before, input, next) };
}

/** Whether the write may be deferred. A hook is stored in the history with its transition. */
function canWait(before: SubscriptionRecord, input: TransitionInput, next: NamedTransition): boolean {
  return canDeferWrite(before, input, next) && !next.effects.some(({ type }) => type === 'hook');
}
