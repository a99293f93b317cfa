import { answered, handlerRefused, verificationWrong, verified } from './steps/on-verified.js';
import { discovered, discoveryFailed } from './steps/on-discovered.js';
import { andThen, isDiscovery, unchanged } from './changes.js';
import { delivers, denialAnswered } from './steps/on-hub-delivered.js';
import { denied } from './steps/on-denied.js';
import { discoveryHeld } from './steps/discovery-held.js';
import { due } from './steps/on-due.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from './events.js';
import { fetched, missed, withFirstVerification, withGap } from './steps/content-gap.js';
import { withForgottenGrants } from './steps/forgotten-grants.js';
import { withoutStaleGuards } from './rules/in-flight-guard.js';
import { heldBack, released, stillHeldBack } from './steps/on-request-deferred.js';
import { withHold } from './rules/publisher-retry-after.js';
import type { SubscriptionRecord } from '../record/record.js';
import type { HookEffect } from './hook-effect.js';
import { hubErrorReported } from './steps/on-hub-error.js';
import { accepted, answeredBadly, requested } from './steps/on-request-result.js';
import { hubSilent, linksDiffer } from './steps/on-hub-silent.js';
import { isAsking } from './state.js';
import { countersReset, renewalWanted, retried, rotationWanted } from './steps/on-retried.js';
import { unwanted, wanted } from './steps/on-wanted.js';

/**
 * The life of a subscription: what a record becomes by an event, and what is to be done about it. The only place where
 * a subscription changes; a function of its arguments alone.
 */
export function transition(
  record: SubscriptionRecord,
  event: SubscriptionEvent,
  context: TransitionContext,
): Transition {
  const next = withoutRepeats(withKnownHub(asFarAsAsking(step(record, event, context)), context));
  const reached = withGap(record, event, withNextHub(stillHeldBack(next, context)), context);
  return withFirstVerification(record, withForgottenGrants(record, withoutStaleGuards(record, reached)));
}

function withKnownHub(next: Transition, context: TransitionContext): Transition {
  const { target } = next.record;
  if (typeof target === 'string' || !next.effects.some(isDiscovery)) return next;
  // With a hub and topic given there is nothing to discover (PROTOCOL D9).
  const known = { type: 'discovered', topic: target.topic, hubs: [target.hub] } as const;
  const others = next.effects.filter((effect) => !isDiscovery(effect));
  return andThen({ record: next.record, effects: others }, (reached) => discovered(reached, known, context));
}

/** One request for a grant is enough, whatever had it asked for. */
function withoutRepeats({ record, effects }: Transition): Transition {
  const isFirst = (effect: Effect, index: number): boolean =>
    effect.type !== 'request' ||
    effects.findIndex(
      (other) => other.type === 'request' && other.grantId === effect.grantId && other.mode === effect.mode,
    ) === index;
  return { record, effects: effects.filter(isFirst) };
}

/** One hub's failure may be the last one allowed: what was to be asked of others a moment before is not asked any more. */
function asFarAsAsking(next: Transition): Transition {
  if (isAsking(next.record)) return next;
  const isToAsk = (effect: Effect): boolean =>
    isDiscovery(effect) || (effect.type === 'request' && effect.mode === 'subscribe');
  return { record: next.record, effects: next.effects.filter((effect) => !isToAsk(effect)) };
}

/** Adds to a failure's hook the hub that is asked instead. */
function withNextHub({ record, effects }: Transition): Transition {
  if (!effects.some(isFailureHook)) return { record, effects };
  const asked = effects.find((effect) => effect.type === 'request' && effect.mode === 'subscribe');
  const grant = asked?.type === 'request' ? record.grants.find(({ id }) => id === asked.grantId) : undefined;
  if (grant === undefined) return { record, effects };
  const told = effects.map((effect): Effect => {
    const isOther = isFailureHook(effect) && effect.grantId !== grant.id;
    return isOther ? { ...effect, nextHub: grant.hub } : effect;
  });
  return { record, effects: told };
}

function isFailureHook(effect: Effect): effect is Extract<HookEffect, { name: 'failed' | 'denied' }> {
  return effect.type === 'hook' && (effect.name === 'failed' || effect.name === 'denied');
}

function step(record: SubscriptionRecord, event: SubscriptionEvent, context: TransitionContext): Transition {
  switch (event.type) {
    case 'wanted':
      return wanted(record, context);
    case 'retried':
      if (event.atOnce !== true) return retried(record, event, context);
      return released(record, context.now, (free) => retried(free, event, context));
    case 'unwanted':
      return unwanted(record, event, context);
    case 'renewal-wanted':
      return renewalWanted(record, event, context);
    case 'counters-reset':
      return countersReset(record, context);
    case 'discovered':
      return discovered(record, event, context);
    case 'discovery-failed':
      return discoveryFailed(record, event, context);
    case 'discovery-held':
      return discoveryHeld(record, event, context);
    case 'publisher-held':
      return unchanged(withHold(record, event.hold, context.now));
    case 'topic-source':
      return unchanged({ ...record, topicSource: event.source });
    case 'requested':
      return requested(record, event, context);
    case 'accepted':
      return accepted(record, event, context);
    case 'held-back':
      return heldBack(record, event, context);
    case 'refused':
    case 'unreachable':
      return answeredBadly(record, event, context);
    case 'verified':
      return verified(record, event, context);
    case 'handler-refused':
      return handlerRefused(record, event, context);
    case 'answered':
      return answered(record, event);
    case 'verification-wrong':
      return verificationWrong(record, event);
    case 'denied':
      return denied(record, event, context);
    case 'denial-answered':
      return denialAnswered(record, event);
    case 'delivers':
      return delivers(record, event, context);
    case 'hub-silent':
      return hubSilent(record, event, context);
    case 'links-differ':
      return linksDiffer(record, context);
    case 'hub-error':
      return hubErrorReported(record, event, context);
    case 'rotation-wanted':
      return rotationWanted(record, event, context);
    case 'missed':
      return missed(record, event);
    case 'fetched':
      return fetched(record, event);
    case 'content-rejected':
      return { record: { ...record, lastError: event.failure }, effects: [] };
    case 'due':
      break;
  }
  return due(record, context);
}
