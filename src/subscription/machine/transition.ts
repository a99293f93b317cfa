import { onHandlerRefused } from './steps/on-handler-refused.js';
import { onAnswered, onVerificationWrong, onVerified } from './steps/on-verified.js';
import { applyDiscovery, onDiscovered } from './steps/on-discovered.js';
import { onDiscoveryDeferred, onDiscoveryFailed } from './steps/on-discovery-failed.js';
import { andThen, isDiscovery, withoutEffects } from './record-changes.js';
import { onHubDelivered, onDenialAnswered } from './steps/on-hub-delivered.js';
import { onDenied } from './steps/on-denied.js';
import { onDue } from './steps/on-due.js';
import type { Effect, NamedTransition, TransitionInput, Transition, TransitionContext } from './transition-types.js';
import { withFirstVerification, withGap, withSkippedFetches } from './fetches/content-gap.js';
import { onCatchUpDropped, onCatchUpFailed, onCatchUpSkipped, onCaughtUp } from './fetches/on-caught-up.js';
import { onContentRefused, onRoomFound, onRoomMissing } from './fetches/on-content-refused.js';
import { onPolled, onPollFailed, onPollSkipped } from './fetches/on-polled.js';
import { onResumed } from './fetches/on-resumed.js';
import { withPoll } from './fetches/poll-plan.js';
import { withEffectNames } from './rules/effect-names.js';
import { withoutStaleGuards } from './rules/in-flight-guard.js';
import { onRequestDeferred, retryWithoutDeferral, withDeferredRequests } from './steps/on-request-deferred.js';
import { withPublisherRetryAfter } from './rules/publisher-retry-after.js';
import type { SubscriptionRecord } from '../record/record.js';
import type { HookEffect } from './hook-effect.js';
import { onHubErrorReported } from './steps/on-hub-error.js';
import { onAccepted, onRefusedOrUnreachable, onRequested } from './steps/on-request-result.js';
import { onRequestLost } from './steps/on-request-lost.js';
import { onLinksDiffer } from './steps/on-hub-silent.js';
import { isEnabled } from './state.js';
import { onCountersReset, onRenewalWanted, onRetried, onRotationWanted } from './steps/on-retried.js';
import { onUnwanted, onWanted } from './steps/on-wanted.js';

/**
 * Applies an input to a subscription: returns the next record and the effects to run. Every input passes through this
 * function. The result depends on the arguments alone.
 */
export function transition(
  record: SubscriptionRecord,
  input: TransitionInput,
  context: TransitionContext,
): NamedTransition {
  const next = withoutRepeatedRequests(
    withKnownHub(withoutRequestsIfStopped(applyInput(record, input, context)), context),
  );
  const updated = withGap(record, input, withNextHub(withDeferredRequests(next, context)), context);
  const fetching = withPoll(record, withSkippedFetches(updated, context), context);
  const complete = withFirstVerification(record, withRemovedGrants(record, withoutStaleGuards(record, fetching)));
  return withEffectNames(record, complete, context);
}

function withKnownHub(next: Transition, context: TransitionContext): Transition {
  const { target } = next.record;
  if (typeof target === 'string' || !next.effects.some(isDiscovery)) return next;
  // A target with hub and topic needs no discovery (PROTOCOL D9).
  const known = { topic: target.topic, hubs: [target.hub] };
  const others = next.effects.filter((effect) => !isDiscovery(effect));
  return andThen({ record: next.record, effects: others }, (updated) => applyDiscovery(updated, known, context));
}

/** Keeps one request per grant and mode, whatever caused them. */
function withoutRepeatedRequests({ record, effects }: Transition): Transition {
  const isFirst = (effect: Effect, index: number): boolean =>
    effect.type !== 'request' ||
    effects.findIndex(
      (other) => other.type === 'request' && other.grantId === effect.grantId && other.mode === effect.mode,
    ) === index;
  return { record, effects: effects.filter(isFirst) };
}

/**
 * Drops subscribe requests and discovery if the subscription is stopped. The last allowed attempt may fail after
 * requests to other hubs were planned.
 */
function withoutRequestsIfStopped(next: Transition): Transition {
  if (isEnabled(next.record)) return next;
  const isSubscribeWork = (effect: Effect): boolean =>
    isDiscovery(effect) || (effect.type === 'request' && effect.mode === 'subscribe');
  return { record: next.record, effects: next.effects.filter((effect) => !isSubscribeWork(effect)) };
}

/** Adds the hub requested instead to a failure hook. */
function withNextHub({ record, effects }: Transition): Transition {
  if (!effects.some(isFailureHook)) return { record, effects };
  const request = effects.find((effect) => effect.type === 'request' && effect.mode === 'subscribe');
  const grant = request?.type === 'request' ? record.grants.find(({ id }) => id === request.grantId) : undefined;
  if (grant === undefined) return { record, effects };
  const withHub = effects.map((effect): Effect => {
    const isOther = isFailureHook(effect) && effect.grantId !== grant.id;
    return isOther ? { ...effect, nextHub: grant.hub } : effect;
  });
  return { record, effects: withHub };
}

/** Adds the removed grant, as stored before the transition, to each hook that names a removed grant. */
function withRemovedGrants(before: SubscriptionRecord, { record, effects }: Transition): Transition {
  const has = ({ grants }: SubscriptionRecord, grantId: string): boolean => grants.some(({ id }) => id === grantId);
  const isRemoved = (effect: Effect): boolean =>
    effect.type === 'hook' && effect.grantId !== undefined && !has(record, effect.grantId);
  if (!effects.some(isRemoved)) return { record, effects };
  const withGrants = effects.map((effect): Effect => {
    if (effect.type !== 'hook' || !isRemoved(effect)) return effect;
    return { ...effect, removedGrant: before.grants.find(({ id }) => id === effect.grantId) };
  });
  return { record, effects: withGrants };
}

function isFailureHook(effect: Effect): effect is Extract<HookEffect, { name: 'failed' | 'denied' }> {
  return effect.type === 'hook' && (effect.name === 'failed' || effect.name === 'denied');
}

function applyInput(record: SubscriptionRecord, input: TransitionInput, context: TransitionContext): Transition {
  switch (input.type) {
    case 'wanted':
      return onWanted(record, context);
    case 'retried':
      if (input.isImmediate !== true) return onRetried(record, input, context);
      return retryWithoutDeferral(record, context.now, (undeferred) => onRetried(undeferred, input, context));
    case 'unwanted':
      return onUnwanted(record, input, context);
    case 'renewal-wanted':
      return onRenewalWanted(record, input, context);
    case 'counters-reset':
      return onCountersReset(record, context);
    case 'discovered':
      return onDiscovered(record, input, context);
    case 'discovery-failed':
      return onDiscoveryFailed(record, input, context);
    case 'discovery-deferred':
      return onDiscoveryDeferred(record, input, context);
    case 'publisher-retry-after':
      return withoutEffects(withPublisherRetryAfter(record, input.retryAfter, context.now));
    case 'topic-source':
      return withoutEffects({ ...record, topicSource: input.source });
    case 'requested':
      return onRequested(record, input, context);
    case 'accepted':
      return onAccepted(record, input, context);
    case 'request-deferred':
      return onRequestDeferred(record, input, context);
    case 'request-lost':
      return onRequestLost(record, input, context);
    case 'refused':
    case 'unreachable':
      return onRefusedOrUnreachable(record, input, context);
    case 'verified':
      return onVerified(record, input, context);
    case 'handler-refused':
      return onHandlerRefused(record, input, context);
    case 'answered':
      return onAnswered(record, input);
    case 'verification-wrong':
      return onVerificationWrong(record, input);
    case 'denied':
      return onDenied(record, input, context);
    case 'denial-answered':
      return onDenialAnswered(record, input);
    case 'hub-delivered':
      return onHubDelivered(record, input, context);
    case 'links-differ':
      return onLinksDiffer(record, context);
    case 'hub-error':
      return onHubErrorReported(record, input, context);
    case 'rotation-wanted':
      return onRotationWanted(record, input, context);
    case 'content-refused':
      return onContentRefused(record, input, context);
    case 'room-found':
      return onRoomFound(record, input, context);
    case 'room-missing':
      return onRoomMissing(record, input, context);
    case 'caught-up':
      return onCaughtUp(record, input);
    case 'catch-up-failed':
      return onCatchUpFailed(record, input, context);
    case 'catch-up-skipped':
      return onCatchUpSkipped(record, input, context);
    case 'catch-up-dropped':
      return onCatchUpDropped(record, input);
    case 'polled':
      return onPolled(record, input, context);
    case 'poll-failed':
      return onPollFailed(record, input, context);
    case 'poll-skipped':
      return onPollSkipped(record, input);
    case 'resumed':
      return onResumed(record, input, context);
    case 'content-rejected':
      return { record: { ...record, lastError: input.failure }, effects: [] };
    case 'due':
      break;
  }
  return onDue(record, context);
}
