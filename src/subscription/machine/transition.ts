import { onAnswered, onHandlerRefused, onVerificationWrong, onVerified } from './steps/on-verified.js';
import { onDiscovered, onDiscoveryFailed } from './steps/on-discovered.js';
import { andThen, isDiscovery, unchanged } from './changes.js';
import { onHubDelivered, onDenialAnswered } from './steps/on-hub-delivered.js';
import { onDenied } from './steps/on-denied.js';
import { onDiscoveryDeferred } from './steps/discovery-held.js';
import { onDue } from './steps/on-due.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from './events.js';
import { onFetched, onMissed, withFirstVerification, withGap } from './steps/content-gap.js';
import { withRemovedGrants } from './steps/forgotten-grants.js';
import { withoutStaleGuards } from './rules/in-flight-guard.js';
import { onRequestDeferred, retryWithoutDeferral, withDeferredRequests } from './steps/on-request-deferred.js';
import { withPublisherRetryAfter } from './rules/publisher-retry-after.js';
import type { SubscriptionRecord } from '../record/record.js';
import type { HookEffect } from './hook-effect.js';
import { onHubErrorReported } from './steps/on-hub-error.js';
import { onAccepted, onRefusedOrUnreachable, onRequested } from './steps/on-request-result.js';
import { onHubSilent, onLinksDiffer } from './steps/on-hub-silent.js';
import { isEnabled } from './state.js';
import { onCountersReset, onRenewalWanted, onRetried, onRotationWanted } from './steps/on-retried.js';
import { onUnwanted, onWanted } from './steps/on-wanted.js';

/**
 * The life of a subscription: what a record becomes by an event, and what is to be done about it. The only place where
 * a subscription changes; a function of its arguments alone.
 */
export function transition(
  record: SubscriptionRecord,
  event: SubscriptionEvent,
  context: TransitionContext,
): Transition {
  const next = withoutRepeatedRequests(
    withKnownHub(withoutRequestsIfStopped(applyEvent(record, event, context)), context),
  );
  const reached = withGap(record, event, withNextHub(withDeferredRequests(next, context)), context);
  return withFirstVerification(record, withRemovedGrants(record, withoutStaleGuards(record, reached)));
}

function withKnownHub(next: Transition, context: TransitionContext): Transition {
  const { target } = next.record;
  if (typeof target === 'string' || !next.effects.some(isDiscovery)) return next;
  // With a hub and topic given there is nothing to discover (PROTOCOL D9).
  const known = { type: 'discovered', topic: target.topic, hubs: [target.hub] } as const;
  const others = next.effects.filter((effect) => !isDiscovery(effect));
  return andThen({ record: next.record, effects: others }, (reached) => onDiscovered(reached, known, context));
}

/** One request for a grant is enough, whatever had it asked for. */
function withoutRepeatedRequests({ record, effects }: Transition): Transition {
  const isFirst = (effect: Effect, index: number): boolean =>
    effect.type !== 'request' ||
    effects.findIndex(
      (other) => other.type === 'request' && other.grantId === effect.grantId && other.mode === effect.mode,
    ) === index;
  return { record, effects: effects.filter(isFirst) };
}

/** One hub's failure may be the last one allowed: what was to be asked of others a moment before is not asked any more. */
function withoutRequestsIfStopped(next: Transition): Transition {
  if (isEnabled(next.record)) return next;
  const isSubscribeWork = (effect: Effect): boolean =>
    isDiscovery(effect) || (effect.type === 'request' && effect.mode === 'subscribe');
  return { record: next.record, effects: next.effects.filter((effect) => !isSubscribeWork(effect)) };
}

/** Adds to a failure's hook the hub that is asked instead. */
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

function isFailureHook(effect: Effect): effect is Extract<HookEffect, { name: 'failed' | 'denied' }> {
  return effect.type === 'hook' && (effect.name === 'failed' || effect.name === 'denied');
}

function applyEvent(record: SubscriptionRecord, event: SubscriptionEvent, context: TransitionContext): Transition {
  switch (event.type) {
    case 'wanted':
      return onWanted(record, context);
    case 'retried':
      if (event.atOnce !== true) return onRetried(record, event, context);
      return retryWithoutDeferral(record, context.now, (free) => onRetried(free, event, context));
    case 'unwanted':
      return onUnwanted(record, event, context);
    case 'renewal-wanted':
      return onRenewalWanted(record, event, context);
    case 'counters-reset':
      return onCountersReset(record, context);
    case 'discovered':
      return onDiscovered(record, event, context);
    case 'discovery-failed':
      return onDiscoveryFailed(record, event, context);
    case 'discovery-deferred':
      return onDiscoveryDeferred(record, event, context);
    case 'publisher-retry-after':
      return unchanged(withPublisherRetryAfter(record, event.retryAfter, context.now));
    case 'topic-source':
      return unchanged({ ...record, topicSource: event.source });
    case 'requested':
      return onRequested(record, event, context);
    case 'accepted':
      return onAccepted(record, event, context);
    case 'request-deferred':
      return onRequestDeferred(record, event, context);
    case 'refused':
    case 'unreachable':
      return onRefusedOrUnreachable(record, event, context);
    case 'verified':
      return onVerified(record, event, context);
    case 'handler-refused':
      return onHandlerRefused(record, event, context);
    case 'answered':
      return onAnswered(record, event);
    case 'verification-wrong':
      return onVerificationWrong(record, event);
    case 'denied':
      return onDenied(record, event, context);
    case 'denial-answered':
      return onDenialAnswered(record, event);
    case 'hub-delivered':
      return onHubDelivered(record, event, context);
    case 'hub-silent':
      return onHubSilent(record, event, context);
    case 'links-differ':
      return onLinksDiffer(record, context);
    case 'hub-error':
      return onHubErrorReported(record, event, context);
    case 'rotation-wanted':
      return onRotationWanted(record, event, context);
    case 'missed':
      return onMissed(record, event);
    case 'fetched':
      return onFetched(record, event);
    case 'content-rejected':
      return { record: { ...record, lastError: event.failure }, effects: [] };
    case 'due':
      break;
  }
  return onDue(record, context);
}
