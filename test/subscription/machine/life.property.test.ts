/* oxlint-disable vitest/no-conditional-expect, vitest/expect-expect -- `always` runs each check, which speaks of what it applies to */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { canConfirm } from '../../../src/subscription/machine/steps/on-verified.js';
import { dueAt } from '../../../src/subscription/machine/steps/on-due.js';
import type { SubscriptionEvent } from '../../../src/subscription/machine/events.js';
import { isCurrent } from '../../../src/subscription/machine/rules/current-grants.js';
import type { GrantRecord, SubscriptionRecord } from '../../../src/subscription/record/record.js';
import { subscriptionSnapshot } from '../../../src/subscription/record/snapshot-of.js';
import { isEnabled, isLive, isOver, isWorking } from '../../../src/subscription/machine/state.js';
import { DAY, failure, HUB, Life, SECOND_HUB, TOPIC } from './life.js';

/** The same lives at every run, so that a change is what makes it fail; `SEED=… npx vitest run …` looks at others. */
const SEED = Number(process.env['SEED'] ?? 20_260_101);

const THIRD_HUB = 'https://third-hub.example/';

/** A step: time passes, then something happens to one of the grants there are. */
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

function eventOf(life: Life, { kind, which, hubs, secret, lease }: Step, requestId: string): SubscriptionEvent {
  const grants = life.record.grants;
  const { id: grantId = 'none', pending, state } = grants[which % Math.max(1, grants.length)] ?? {};
  const told = { grantId, requestId: pending?.id ?? 'none', failure: failure('unreachable', life.now) };
  const mode = pending?.mode ?? (state === 'unsubscribing' ? 'unsubscribe' : 'subscribe');
  switch (kind) {
    case 'discovered':
      return { type: 'discovered', topic: which === 3 ? `${TOPIC}/moved` : TOPIC, hubs };
    case 'discovery-failed':
      return { type: 'discovery-failed', failure: told.failure };
    case 'requested':
      return { type: 'requested', grantId, requestId, mode, secret: mode === 'subscribe' ? secret : undefined };
    case 'accepted':
      return { type: 'accepted', ...told, hub: 'https://moved.example/', moved: true };
    case 'refused':
    case 'unreachable':
      return { type: kind, ...told, retryAfterSeconds: which === 2 ? 7200 : undefined };
    case 'late answer':
      return { type: 'refused', ...told, requestId: 'an old one' };
    case 'verified':
      return { type: 'verified', grantId, mode, leaseSeconds: lease };
    case 'handler-refused':
      return { type: 'handler-refused', grantId, mode, failure: told.failure };
    case 'denied':
      return { type: 'denied', grantId, failure: told.failure };
    case 'denial-answered':
    case 'hub-silent':
      return { type: kind, grantId };
    case 'hub-delivered':
      return { type: 'hub-delivered', grantId, isSigned: secret !== null };
    case 'hub-error':
      return { type: 'hub-error', grantId, failure: told.failure };
    case 'rotation-wanted':
      return { type: 'rotation-wanted', what: which < 2 ? 'secret' : 'callback' };
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

const held = (record: SubscriptionRecord): readonly GrantRecord[] => record.grants.filter(isLive);
const same = (record: SubscriptionRecord, { id }: GrantRecord): GrantRecord | undefined =>
  record.grants.find((grant) => grant.id === id);
const renewal = (grant: GrantRecord): number => grant.nextAttemptAt ?? grant.renewsAt ?? Infinity;

/** Runs a life step by step; the check is told what was before, what happened, and sees what is. */
function always(
  check: (before: SubscriptionRecord, event: SubscriptionEvent, life: Life, isDown: boolean) => void,
): void {
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 60 }),
      fc.boolean(),
      fc.boolean(),
      (steps, isLimited, isEverywhere) => {
        const life = new Life();
        if (isEverywhere) life.rules = { ...life.rules, hubs: 'all' };
        if (isLimited) life.rules = { ...life.rules, maxAttempts: 4 };
        life.apply({ type: 'wanted' });
        let isDown = false;
        for (const [index, each] of steps.entries()) {
          life.after(each.seconds * 1000);
          life.random = each.random;
          const event = eventOf(life, each, `r${index}`);
          const before = life.record;
          life.apply(event);
          if (event.type === 'unwanted' && event.why === 'shutdown') isDown = true;
          if (event.type === 'wanted' || event.type === 'retried') isDown = false;
          check(before, event, life, isDown);
        }
      },
    ),
    { numRuns: 1_500, seed: SEED },
  );
}

test('what is wanted and not held always has something scheduled, but between a stop and the next start', () => {
  always((_before, _event, { record }, isDown) => {
    if (!isDown && isEnabled(record)) expect(dueAt(record)).toBeDefined();
  });
});

test('what is unwanted and still held is let go at the end of its lease at the latest', () => {
  always((_before, _event, { record }) => {
    for (const grant of held(record)) expect(dueAt(record)).toBeLessThanOrEqual(grant.expiresAt ?? 0);
  });
});

test('what is done when it is due is done: the next thing lies in the future', () => {
  always((_before, event, { record, now }) => {
    if (event.type === 'due') expect(dueAt(record) ?? Infinity).toBeGreaterThan(now);
  });
});

test('S8 of what would be asked for today no two grants work, and no two others are being asked for', () => {
  always((_before, _event, life, isDown) => {
    const { record } = life;
    if (life.rules.hubs === 'all') return;
    // What has moved works on, and is renewed where it was, until it is had at its new place (PROTOCOL D10).
    const present = record.grants.filter((grant) => isCurrent(record, grant, life));
    // What may be forged leaves no other one: a verification while its request is open, or that nobody asked for.
    const isSure = ({ pending, provisional }: GrantRecord): boolean =>
      pending?.verified !== true && provisional !== true;
    expect(present.filter((grant) => isWorking(grant) && isSure(grant)).length).toBeLessThanOrEqual(1);
    // What is found while a stop leaves a hub is noted, and asked for at the next start.
    if (isDown) return;
    // Where a hub has denied, what is open stays open, and the next hub is asked.
    const isAskedFor = ({ pending, nextAttemptAt }: GrantRecord): boolean =>
      (pending !== undefined && pending.denied !== true) || (pending === undefined && nextAttemptAt !== undefined);
    const asked = present.filter((grant) => !isOver(grant) && !isLive(grant) && isAskedFor(grant));
    expect(asked.length).toBeLessThanOrEqual(1);
  });
});

test('S8 every grant has a callback of its own', () => {
  always((_before, _event, { record: { grants } }) => {
    expect(new Set(grants.map(({ callback }) => callback)).size).toBe(grants.length);
  });
});

test('what was superseded is only left: never asked for, never wanted back', () => {
  always((before, _event, { record, effects }) => {
    for (const grant of before.grants) {
      if (grant.superseded !== true) continue;
      const after = same(record, grant);
      expect(after === undefined || after.superseded === true).toBe(true);
      expect(effects).not.toContainEqual({ type: 'request', grantId: grant.id, mode: 'subscribe' });
    }
  });
});

test('V6 an active grant stays active until its lease ends, unless it is denied, unwanted or replaced', () => {
  always((before, event, { record, now }) => {
    for (const grant of before.grants) {
      if (grant.state !== 'active' || (grant.expiresAt ?? 0) <= now) continue;
      if (event.type === 'unwanted' || (event.type === 'denied' && event.grantId === grant.id)) continue;
      const after = same(record, grant);
      const isReplaced = after?.superseded === true && record.grants.some((other) => other.verifiedAt === now);
      if (!isReplaced && grant.superseded !== true) expect(after?.state).toBe('active');
    }
  });
});

test('V4 an unasked verification never puts a renewal off', () => {
  always((before, event, { record }) => {
    if (event.type !== 'verified') return;
    const grant = before.grants.find(({ id }) => id === event.grantId);
    if (grant?.state !== 'active' || grant.pending !== undefined) return;
    const after = same(record, grant);
    expect(after === undefined ? Infinity : renewal(after)).toBeLessThanOrEqual(renewal(grant));
  });
});

test('V6 a secret stays acceptable for a day after it is replaced, and a pending one for a day after its request', () => {
  always((before, event, { record, now }) => {
    for (const grant of before.grants) {
      const after = same(record, grant);
      if (after === undefined) continue;
      for (const { value, acceptedUntil = Infinity, role } of grant.secrets) {
        if (acceptedUntil <= now) continue;
        const kept = after.secrets.filter((secret) => secret.value === value);
        const until = Math.max(...kept.map((secret) => secret.acceptedUntil ?? Infinity));
        const isReplaced = role !== 'replaced' && kept.every((secret) => secret.role === 'replaced');
        expect(until).toBeGreaterThanOrEqual(isReplaced ? now + DAY : Math.min(acceptedUntil, now + DAY));
      }
    }
    if (event.type !== 'requested' || event.secret === undefined) return;
    const asked = record.grants.find(({ id, pending }) => id === event.grantId && pending?.id === event.requestId);
    if (asked === undefined) return;
    const taken = asked.secrets.filter(({ value }) => value === event.secret);
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

test('N2 a hub that denied or refused is not asked again before its time, but for the user or the end of a lease', () => {
  always((before, event, { record, effects, now }) => {
    if (event.type === 'retried') return;
    const hasEnded = before.grants.some(({ state, expiresAt = 0 }) => state === 'active' && expiresAt <= now);
    for (const effect of effects) {
      if (effect.type !== 'request' || effect.mode !== 'subscribe') continue;
      const grant = record.grants.find(({ id }) => id === effect.grantId);
      expect(grant).toBeDefined();
      expect(isEnabled(record)).toBe(true);
      const asked = before.grants.find(({ id }) => id === effect.grantId);
      if (hasEnded || asked === undefined || (asked.refusals ?? 0) === 0) continue;
      expect(asked.notBefore ?? 0).toBeLessThanOrEqual(now);
    }
  });
});

test('L2 after a failure nothing is asked again within a second, and nothing later than a day', () => {
  always((before, event, { record, now, effects }) => {
    if (event.type !== 'refused' && event.type !== 'unreachable') return;
    // Another hub is asked at once.
    if (effects.some(({ type }) => type === 'request')) return;
    const grant = before.grants.find(({ id }) => id === event.grantId);
    if (grant?.pending?.id !== event.requestId || grant.id === undefined) return;
    const again = same(record, grant)?.nextAttemptAt ?? record.nextAttemptAt;
    if (again === undefined) return;
    expect(again - now).toBeGreaterThanOrEqual(event.retryAfterSeconds === undefined ? 1_000 : 7_200_000);
    expect(again - now).toBeLessThanOrEqual(DAY);
  });
});

test('V1 V3 nothing is confirmed that is unwanted, nor an unsubscription that nobody asked for', () => {
  always((_before, _event, life) => {
    const { record } = life;
    for (const grant of record.grants) {
      if (canConfirm(record, grant, 'subscribe', life)) expect(record.desired).toBe('subscribed');
      if (canConfirm(record, grant, 'unsubscribe', life))
        expect(['unsubscribing', 'unsubscribed']).toContain(grant.state);
    }
  });
});

test('a snapshot never holds a secret or a verify token', () => {
  always((_before, _event, { record }) => {
    const grants = record.grants.map((grant) => ({ ...grant, verifyToken: 'secret-token' }));
    const stats = { received: 0, rejected: 0, delivered: 0, failed: 0, refused: 0, duplicates: 0, missed: 0 };
    expect(JSON.stringify(subscriptionSnapshot({ ...record, grants }, stats))).not.toContain('secret-');
  });
});

test('a hook has the grant that it tells of, also where the transition has forgotten it', () => {
  always((_before, _event, { record, effects }) => {
    for (const effect of effects) {
      if (effect.type !== 'hook' || effect.grantId === undefined) continue;
      const grant = record.grants.find(({ id }) => id === effect.grantId) ?? effect.removedGrant;
      expect(grant?.id).toBe(effect.grantId);
    }
  });
});
