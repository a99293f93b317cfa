import { active, DAY, failure, HUB, Life, START, TOPIC, verifying } from './life.js';
import type { TransitionInput } from '../../../src/subscription/machine/transition-types.js';
import { dueAt } from '../../../src/subscription/machine/steps/on-due.js';

/** The situations of a subscription, each reached by events alone. */
export const SITUATIONS = {
  new: () => new Life(),
  discovering: () => new Life().apply({ type: 'wanted' }),
  'discovery failed': () =>
    new Life().apply({ type: 'wanted' }).apply({ type: 'discovery-failed', failure: failure('discovery') }),
  requested: () => new Life().apply({ type: 'wanted' }).discovered(),
  verifying: () => verifying().accepted(),
  failed: () => verifying().unreachable(),
  active: () => active(),
  renewing: () =>
    active()
      .due(9 * DAY)
      .discovered()
      .requested({ requestId: 'r1', secret: 'another' }),
  expired: () =>
    active()
      .after(3 * DAY)
      .due(8 * DAY),
  'verified before the answer': () => verifying().verifiedInPost(),
  denied: () => active().denied(),
  'request denied': () => verifying().accepted().denied(),
  'renewal denied': () =>
    active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .accepted()
      .denied(),
  'waiting after a denial': () => verifying().accepted().denied().due(60_000),
  'stopped as denied': () => {
    const life = verifying().accepted();
    life.rules = { ...life.rules, afterDenial: 'stop' };
    return life.denied().due(60_000);
  },
  'refused by handler': () => {
    const life = verifying();
    return life.apply(refusedByHandler(life, 'subscribe'));
  },
  'gave up': () => {
    const life = verifying();
    life.rules = { ...life.rules, maxAttempts: 1 };
    return life.unreachable();
  },
  unsubscribing: () => active().unwanted('unsubscribed').requested(),
  deleting: () => active().unwanted('deleted').requested(),
  'shutting down': () => active().unwanted('shutdown').requested(),
  unsubscribed: () => unsubscribed(active().unwanted('unsubscribed')),
  'shut down': () => unsubscribed(active().unwanted('shutdown')),
} satisfies Record<string, () => Life>;

export type Situation = keyof typeof SITUATIONS;

function unsubscribed(life: Life): Life {
  return life.requested().apply({ type: 'verified', grantId: life.grant.id, mode: 'unsubscribe' });
}

const grantId = (life: Life): string => life.record.grants.at(-1)?.id ?? 'none';

const requestIds = (life: Life) => ({ grantId: grantId(life), requestId: 'r1' });

/** The events that can happen in a situation. */
export const EVENT_CASES = {
  wanted: () => ({ type: 'wanted' }),
  retried: () => ({ type: 'retried' }),
  'unwanted: unsubscribed': () => ({ type: 'unwanted', why: 'unsubscribed' }),
  'unwanted: deleted': () => ({ type: 'unwanted', why: 'deleted' }),
  'unwanted: shutdown': () => ({ type: 'unwanted', why: 'shutdown' }),
  discovered: () => ({ type: 'discovered', topic: TOPIC, hubs: [HUB] }),
  'discovery-failed': () => ({ type: 'discovery-failed', failure: failure('discovery') }),
  'requested: subscribe': (life) => ({
    type: 'requested',
    ...requestIds(life),
    requestId: 'r9',
    mode: 'subscribe',
    secret: 's',
  }),
  'requested: unsubscribe': (life) => ({
    type: 'requested',
    ...requestIds(life),
    requestId: 'r9',
    mode: 'unsubscribe',
  }),
  accepted: (life) => ({ type: 'accepted', ...requestIds(life), hub: 'https://moved.example/', moved: true }),
  refused: (life) => ({ type: 'refused', ...requestIds(life), failure: failure('refused') }),
  unreachable: (life) => ({ type: 'unreachable', ...requestIds(life), failure: failure('unreachable') }),
  'verified: subscribe': (life) => ({
    type: 'verified',
    grantId: grantId(life),
    mode: 'subscribe',
    leaseSeconds: '60',
  }),
  'verified: unsubscribe': (life) => ({ type: 'verified', grantId: grantId(life), mode: 'unsubscribe' }),
  'handler-refused: subscribe': (life) => refusedByHandler(life, 'subscribe'),
  'handler-refused: unsubscribe': (life) => refusedByHandler(life, 'unsubscribe'),
  denied: (life) => ({ type: 'denied', grantId: grantId(life), failure: failure('denied') }),
  'denial-answered': (life) => ({ type: 'denial-answered', grantId: grantId(life) }),
  'hub-delivered': (life) => ({ type: 'hub-delivered', grantId: grantId(life), isSigned: true }),
  'hub-error': (life) => ({ type: 'hub-error', grantId: grantId(life), failure: failure('hub-error') }),
  'renewal-wanted': () => ({ type: 'renewal-wanted' }),
  'rotation-wanted: secret': () => ({ type: 'rotation-wanted', rotate: 'secret' }),
  'rotation-wanted: callback': () => ({ type: 'rotation-wanted', rotate: 'callback' }),
  'counters-reset': () => ({ type: 'counters-reset' }),
  'content-rejected': () => ({ type: 'content-rejected', failure: failure('unsigned') }),
  'due: nothing yet': () => ({ type: 'due' }),
  'due: next planned time': (life) => {
    life.now = dueAt(life.record) ?? life.now;
    return { type: 'due' };
  },
  'due: after a year': (life) => {
    life.now = START + 365 * DAY;
    return { type: 'due' };
  },
} satisfies Record<string, (life: Life) => TransitionInput>;

export type EventCase = keyof typeof EVENT_CASES;

function refusedByHandler(life: Life, mode: 'subscribe' | 'unsubscribe'): TransitionInput {
  return { type: 'handler-refused', grantId: grantId(life), mode, failure: failure('handler-refused') };
}
