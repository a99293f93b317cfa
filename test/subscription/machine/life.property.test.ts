/* oxlint-disable vitest/no-conditional-expect, vitest/expect-expect -- `always` runs each check, which skips steps that it does not concern */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { canConfirm } from '../../../src/subscription/machine/steps/on-verified.js';
import { dueAt } from '../../../src/subscription/machine/steps/on-due.js';
import type { TransitionInput } from '../../../src/subscription/machine/transition-types.js';
import { isCurrent } from '../../../src/subscription/machine/rules/current-grants.js';
import type { GrantRecord, SubscriptionRecord } from '../../../src/subscription/record/record.js';
import { subscriptionSnapshot } from '../../../src/subscription/record/snapshot-of.js';
import { isEnabled, isLive, isOver, isWorking } from '../../../src/subscription/machine/state.js';
import { DAY, failure, HUB, Life, SECOND_HUB, TOPIC } from './life.js';

/** The same lives at every run, so only a change can make it fail. `SEED=… npx vitest run …` tries others. */
const SEED = Number(process.env['SEED'] ?? 20_260_101);

const THIRD_HUB = 'https://third-hub.example/';

/** A step: time passes, then something happens to one of the grants. */
interface Step {
  readonly kind: (typeof KINDS)[number];
  readonly seconds: number;
  readonly which: number;
  readonly random: number;
  readonly hubs: readonly string[];
  readonly secret: string | null;
  readonly lease: string | undefined;
}

const KINDS = [
  'due',
  'due',
  'due',
  'discovered',
  'discovered',
  'discovery-failed',
  'requested',
  'requested',
  'requested',
  'accepted',
  'refused',
  'unreachable',
  'verified',
  'verified',
  'verified',
  'late answer',
  'handler-refused',
  'denied',
  'denial-answered',
  'hub-delivered',
  'hub-error',
  'hub-silent',
  'links-differ',
  'rotation-wanted',
  'retried',
  'renewal-wanted',
  'counters-reset',
  'verification-wrong',
  'wanted',
  'unwanted',
  'shutdown',
] as const;

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom(...KINDS),
  seconds: fc.oneof(fc.constant(0), fc.nat(5), fc.nat(100), fc.nat(400_000)),
  which: fc.nat(3),
  random: fc.double({ min: 0, max: 0.999, noNaN: true }),
  hubs: fc.uniqueArray(fc.constantFrom(HUB, SECOND_HUB, THIRD_HUB), { minLength: 1 }),
  secret: fc.option(fc.constantFrom('secret-one', 'secret-two', 'secret-three')),
  lease: fc.constantFrom(undefined, '10', '600', '864000', '-1'),
});

function eventOf(life: Life, { kind, which, hubs, secret, lease }: Step, requestId: string): TransitionInput {
  const grants = life.record.grants;
  const { id: grantId = 'none', pending, state } = grants[which % Math.max(1, grants.length)] ?? {};
  const request = { grantId, requestId: pending?.id ?? 'none', failure: failure('unreachable', life.now) };
  const mode = pending?.mode ?? (state === 'unsubscribing' ? 'unsubscribe' : 'subscribe');
  switch (kind) {
    case 'discovered':
      return { type: 'discovered', topic: which === 3 ? `${TOPIC}/moved` : TOPIC, hubs };
    case 'discovery-failed':
      return { type: 'discovery-failed', failure: request.failure };
    case 'requested':
      return { type: 'requested', grantId, requestId, mode, secret: mode === 'subscribe' ? secret : undefined };
    case 'accepted':
      return { type: 'accepted', ...request, hub: 'https://moved.example/', moved: true };
    case 'refused':
    case 'unreachable':
      return { type: kind, ...request, retryAfterSeconds: which === 2 ? 7200 : undefined };
    case 'late answer':
      return { type: 'refused', ...request, requestId: 'an old one' };
    case 'verified':
      return { type: 'verified', grantId, mode, leaseSeconds: lease };
    case 'handler-refused':
      return { type: 'handler-refused', grantId, mode, failure: request.failure };
    case 'denied':
      return { type: 'denied', grantId, failure: request.failure };
    case 'denial-answered':
    case 'hub-silent':
      return { type: kind, grantId };
    case 'hub-delivered':
      return { type: 'hub-delivered', grantId, isSigned: secret !== null };
    case 'hub-error':
      return { type: 'hub-error', grantId, failure: request.failure };
    case 'rotation-wanted':
      return { type: 'rotation-wanted', rotate: which < 2 ? 'secret' : 'callback' };
    case 'verification-wrong':
      return { type: 'verification-wrong', grantId, problem: 'it was for another topic' };
    case 'unwanted':
      return { type: 'unwanted', why: which === 0 ? 'deleted' : 'unsubscribed' };
    case 'shutdown':
      return { type: 'unwanted', why: 'shutdown' };
    default:
      return { type: kind };
  }
}

const liveGrants = (record: SubscriptionRecord): readonly GrantRecord[] => record.grants.filter(isLive);
const grantAfter = (record: SubscriptionRecord, { id }: GrantRecord): GrantRecord | undefined =>
  record.grants.find((grant) => grant.id === id);
const renewal = (grant: GrantRecord): number => grant.nextAttemptAt ?? grant.renewsAt ?? Infinity;

/** Runs a life step by step. The check gets the record before the event, the event, and the life after it. */
function always(
  check: (before: SubscriptionRecord, input: TransitionInput, life: Life, isDown: boolean) => void,
): void {
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 60 }),
      fc.boolean(),
      fc.boolean(),
      (steps, isLimited, isAllHubs) => {
        const life = new Life();
        if (isAllHubs) life.rules = { ...life.rules, hubs: 'all' };
        if (isLimited) life.rules = { ...life.rules, maxAttempts: 4 };
        life.apply({ type: 'wanted' });
        let isDown = false;
        for (const [index, each] of steps.entries()) {
          life.after(each.seconds * 1000);
          life.random = each.random;
          const input = eventOf(life, each, `r${index}`);
          const before = life.record;
          life.apply(input);
          if (input.type === 'unwanted' && input.why === 'shutdown') isDown = true;
          if (input.type === 'wanted' || input.type === 'retried') isDown = false;
          check(before, input, life, isDown);
        }
      },
    ),
    { numRuns: 1_500, seed: SEED },
  );
}

test('a subscription that is wanted and not stopped always has work scheduled, except between a shutdown and the next start', () => {
  always((_before, _event, { record }, isDown) => {
    if (!isDown && isEnabled(record)) expect(dueAt(record)).toBeDefined();
  });
});

test('a live grant has work scheduled at the end of its lease at the latest', () => {
  always((_before, _event, { record }) => {
    for (const grant of liveGrants(record)) expect(dueAt(record)).toBeLessThanOrEqual(grant.expiresAt ?? 0);
  });
});

test('all due work is done at once: the next work lies in the future', () => {
  always((_before, input, { record, now }) => {
    if (input.type === 'due') expect(dueAt(record) ?? Infinity).toBeGreaterThan(now);
  });
});

test('S8 at most one current grant works, and at most one other current grant is requested', () => {
  always((_before, _event, life, isDown) => {
    const { record } = life;
    if (life.rules.hubs === 'all') return;
    // A grant whose hub or topic moved works on, and is renewed where it was, until the new place has granted (PROTOCOL
    // D10).
    const current = record.grants.filter((grant) => isCurrent(record, grant, life));
    // A verification that may be forged replaces no other grant: during the open request, or unsolicited.
    const isSettled = ({ pending, provisional }: GrantRecord): boolean =>
      pending?.verified !== true && provisional !== true;
    expect(current.filter((grant) => isWorking(grant) && isSettled(grant)).length).toBeLessThanOrEqual(1);
    // A discovery during a shutdown is stored, and requested at the next start.
    if (isDown) return;
    // After a denial the open request stays open, and the next hub is requested.
    const isRequested = ({ pending, nextAttemptAt }: GrantRecord): boolean =>
      (pending !== undefined && pending.denied !== true) || (pending === undefined && nextAttemptAt !== undefined);
    const requested = current.filter((grant) => !isOver(grant) && !isLive(grant) && isRequested(grant));
    expect(requested.length).toBeLessThanOrEqual(1);
  });
});

test('S8 every grant has its own callback', () => {
  always((_before, _event, { record: { grants } }) => {
    expect(new Set(grants.map(({ callback }) => callback)).size).toBe(grants.length);
  });
});

test('a superseded grant is only unsubscribed: never requested, never wanted again', () => {
  always((before, _event, { record, effects }) => {
    for (const grant of before.grants) {
      if (grant.superseded !== true) continue;
      const after = grantAfter(record, grant);
      expect(after === undefined || after.superseded === true).toBe(true);
      expect(effects).not.toContainEqual({ type: 'request', grantId: grant.id, mode: 'subscribe' });
    }
  });
});

test('V6 an active grant stays active until its lease ends, unless it is denied, unwanted or replaced', () => {
  always((before, input, { record, now }) => {
    for (const grant of before.grants) {
      if (grant.state !== 'active' || (grant.expiresAt ?? 0) <= now) continue;
      if (input.type === 'unwanted' || (input.type === 'denied' && input.grantId === grant.id)) continue;
      const after = grantAfter(record, grant);
      const isReplaced = after?.superseded === true && record.grants.some((other) => other.verifiedAt === now);
      if (!isReplaced && grant.superseded !== true) expect(after?.state).toBe('active');
    }
  });
});

test('V4 an unsolicited verification never postpones a renewal', () => {
  always((before, input, { record }) => {
    if (input.type !== 'verified') return;
    const grant = before.grants.find(({ id }) => id === input.grantId);
    if (grant?.state !== 'active' || grant.pending !== undefined) return;
    const after = grantAfter(record, grant);
    expect(after === undefined ? Infinity : renewal(after)).toBeLessThanOrEqual(renewal(grant));
  });
});

test('V6 a secret is accepted for a day after it is replaced, and a pending one for a day after its request', () => {
  always((before, input, { record, now }) => {
    for (const grant of before.grants) {
      const after = grantAfter(record, grant);
      if (after === undefined) continue;
      for (const { value, acceptedUntil = Infinity, role } of grant.secrets) {
        if (acceptedUntil <= now) continue;
        const kept = after.secrets.filter((secret) => secret.value === value);
        const until = Math.max(...kept.map((secret) => secret.acceptedUntil ?? Infinity));
        const isReplaced = role !== 'replaced' && kept.every((secret) => secret.role === 'replaced');
        expect(until).toBeGreaterThanOrEqual(isReplaced ? now + DAY : Math.min(acceptedUntil, now + DAY));
      }
    }
    if (input.type !== 'requested' || input.secret === undefined) return;
    const requested = record.grants.find(({ id, pending }) => id === input.grantId && pending?.id === input.requestId);
    if (requested === undefined) return;
    const taken = requested.secrets.filter(({ value }) => value === input.secret);
    expect(taken.some(({ acceptedUntil = Infinity }) => acceptedUntil >= now + DAY)).toBe(true);
  });
});

test('secrets do not pile up', () => {
  always((_before, _event, { record }) => {
    for (const { secrets } of record.grants) {
      expect(new Set(secrets.map(({ value }) => value)).size).toBe(secrets.length);
      for (const role of ['current', 'pending']) {
        expect(secrets.filter((secret) => secret.role === role).length).toBeLessThanOrEqual(1);
      }
    }
  });
});

test('N2 a hub that denied or refused is not requested before its wait ends, except by the user or at the end of a lease', () => {
  always((before, input, { record, effects, now }) => {
    if (input.type === 'retried') return;
    const hasEnded = before.grants.some(({ state, expiresAt = 0 }) => state === 'active' && expiresAt <= now);
    for (const effect of effects) {
      if (effect.type !== 'request' || effect.mode !== 'subscribe') continue;
      const grant = record.grants.find(({ id }) => id === effect.grantId);
      expect(grant).toBeDefined();
      expect(isEnabled(record)).toBe(true);
      const previous = before.grants.find(({ id }) => id === effect.grantId);
      if (hasEnded || previous === undefined || (previous.refusals ?? 0) === 0) continue;
      expect(previous.notBefore ?? 0).toBeLessThanOrEqual(now);
    }
  });
});

test('L2 after a failure the next try comes after a second at the earliest and a day at the latest', () => {
  always((before, input, { record, now, effects }) => {
    if (input.type !== 'refused' && input.type !== 'unreachable') return;
    // Another hub is requested at once.
    if (effects.some(({ type }) => type === 'request')) return;
    const grant = before.grants.find(({ id }) => id === input.grantId);
    if (grant?.pending?.id !== input.requestId || grant.id === undefined) return;
    const again = grantAfter(record, grant)?.nextAttemptAt ?? record.nextAttemptAt;
    if (again === undefined) return;
    expect(again - now).toBeGreaterThanOrEqual(input.retryAfterSeconds === undefined ? 1_000 : 7_200_000);
    expect(again - now).toBeLessThanOrEqual(DAY);
  });
});

test('V1 V3 no unwanted subscription is confirmed, and no unsolicited unsubscribe', () => {
  always((_before, _event, life) => {
    const { record } = life;
    for (const grant of record.grants) {
      if (canConfirm(record, grant, 'subscribe', life)) expect(record.desired).toBe('subscribed');
      if (canConfirm(record, grant, 'unsubscribe', life))
        expect(['unsubscribing', 'unsubscribed']).toContain(grant.state);
    }
  });
});

test('a snapshot never contains a secret or a verify token', () => {
  always((_before, _event, { record }) => {
    const grants = record.grants.map((grant) => ({ ...grant, verifyToken: 'secret-token' }));
    const stats = { received: 0, rejected: 0, delivered: 0, failed: 0, refused: 0, duplicates: 0, missed: 0 };
    expect(JSON.stringify(subscriptionSnapshot({ ...record, grants }, stats))).not.toContain('secret-');
  });
});

test('a hook has its grant, even if the transition removed it', () => {
  always((_before, _event, { record, effects }) => {
    for (const effect of effects) {
      if (effect.type !== 'hook' || effect.grantId === undefined) continue;
      const grant = record.grants.find(({ id }) => id === effect.grantId) ?? effect.removedGrant;
      expect(grant?.id).toBe(effect.grantId);
    }
  });
});
