import { active, DAY, failure, HUB, SubscriptionMachine, START, TOPIC, verifying } from './subscription-machine.js';
import type { BareInput } from './current-ids.js';
import { dueAt } from '../../../src/subscription/machine/steps/on-due.js';

/** The situations of a subscription, each reached by inputs alone. */
export const SITUATIONS = {
  new: () => new SubscriptionMachine(),
  discovering: () => new SubscriptionMachine().apply({ type: 'wanted' }),
  'discovery failed': () =>
    new SubscriptionMachine()
      .apply({ type: 'wanted' })
      .apply({ type: 'discovery-failed', failure: failure('discovery') }),
  requested: () => new SubscriptionMachine().apply({ type: 'wanted' }).discovered(),
  verifying: () => verifying().accepted(),
  failed: () => verifying().unreachable(),
  active: () => active(),
  renewing: () =>
    active()
      .due(9 * DAY)
      .discovered()
      .requested({ secret: 'another' }),
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
    const machine = verifying().accepted();
    machine.rules = { ...machine.rules, afterDenial: 'stop' };
    return machine.denied().due(60_000);
  },
  'refused by handler': () => {
    const machine = verifying();
    return machine.apply(refusedByHandler(machine, 'subscribe'));
  },
  'gave up': () => {
    const machine = verifying();
    machine.rules = { ...machine.rules, maxAttempts: 1 };
    return machine.unreachable();
  },
  unsubscribing: () => active().unwanted('unsubscribed').requested(),
  deleting: () => active().unwanted('deleted').requested(),
  'shutting down': () => active().unwanted('shutdown').requested(),
  unsubscribed: () => unsubscribed(active().unwanted('unsubscribed')),
  'shut down': () => unsubscribed(active().unwanted('shutdown')),
} satisfies Record<string, () => SubscriptionMachine>;

export type Situation = keyof typeof SITUATIONS;

function unsubscribed(machine: SubscriptionMachine): SubscriptionMachine {
  return machine.requested().apply({ type: 'verified', grantId: machine.grant.id, mode: 'unsubscribe' });
}

const grantId = (machine: SubscriptionMachine): string => machine.record.grants.at(-1)?.id ?? 'none';

const ofGrant = (machine: SubscriptionMachine) => ({ grantId: grantId(machine) });

const discoveryId = (machine: SubscriptionMachine): string => machine.record.currentDiscovery ?? 'no discovery';

/** The inputs that are applied in each situation. */
export const INPUT_CASES = {
  wanted: () => ({ type: 'wanted' }),
  'wanted by the next run': (machine) => {
    machine.member = 'the next run';
    return { type: 'wanted' };
  },
  retried: () => ({ type: 'retried' }),
  'unwanted: unsubscribed': () => ({ type: 'unwanted', why: 'unsubscribed' }),
  'unwanted: deleted': () => ({ type: 'unwanted', why: 'deleted' }),
  'unwanted: shutdown': () => ({ type: 'unwanted', why: 'shutdown' }),
  discovered: (machine) => ({ type: 'discovered', discoveryId: discoveryId(machine), topic: TOPIC, hubs: [HUB] }),
  'discovery-failed': (machine) => ({
    type: 'discovery-failed',
    discoveryId: discoveryId(machine),
    failure: failure('discovery'),
  }),
  'requested: subscribe': (machine) => ({
    type: 'requested',
    ...ofGrant(machine),
    mode: 'subscribe',
    secret: 's',
  }),
  'requested: unsubscribe': (machine) => ({
    type: 'requested',
    ...ofGrant(machine),
    mode: 'unsubscribe',
  }),
  accepted: (machine) => ({ type: 'accepted', ...ofGrant(machine), hub: 'https://moved.example/', moved: true }),
  refused: (machine) => ({ type: 'refused', ...ofGrant(machine), failure: failure('refused') }),
  unreachable: (machine) => ({ type: 'unreachable', ...ofGrant(machine), failure: failure('unreachable') }),
  'verified: subscribe': (machine) => ({
    type: 'verified',
    grantId: grantId(machine),
    mode: 'subscribe',
    leaseSeconds: '60',
  }),
  'verified: unsubscribe': (machine) => ({ type: 'verified', grantId: grantId(machine), mode: 'unsubscribe' }),
  'handler-refused: subscribe': (machine) => refusedByHandler(machine, 'subscribe'),
  'handler-refused: unsubscribe': (machine) => refusedByHandler(machine, 'unsubscribe'),
  denied: (machine) => ({ type: 'denied', grantId: grantId(machine), failure: failure('denied') }),
  'denial-answered': (machine) => ({ type: 'denial-answered', grantId: grantId(machine) }),
  'hub-delivered': (machine) => ({ type: 'hub-delivered', grantId: grantId(machine), isSigned: true }),
  'hub-error': (machine) => ({ type: 'hub-error', grantId: grantId(machine), failure: failure('hub-error') }),
  'renewal-wanted': () => ({ type: 'renewal-wanted' }),
  'rotation-wanted: secret': () => ({ type: 'rotation-wanted', rotate: 'secret' }),
  'rotation-wanted: callback': () => ({ type: 'rotation-wanted', rotate: 'callback' }),
  'counters-reset': () => ({ type: 'counters-reset' }),
  'content-rejected': () => ({ type: 'content-rejected', failure: failure('unsigned') }),
  'due: nothing yet': () => ({ type: 'due' }),
  'due: next planned time': (machine) => {
    machine.now = dueAt(machine.record) ?? machine.now;
    return { type: 'due' };
  },
  'due: after a year': (machine) => {
    machine.now = START + 365 * DAY;
    return { type: 'due' };
  },
} satisfies Record<string, (machine: SubscriptionMachine) => BareInput>;

export type InputCase = keyof typeof INPUT_CASES;

function refusedByHandler(machine: SubscriptionMachine, mode: 'subscribe' | 'unsubscribe'): BareInput {
  return { type: 'handler-refused', grantId: grantId(machine), mode, failure: failure('handler-refused') };
}
