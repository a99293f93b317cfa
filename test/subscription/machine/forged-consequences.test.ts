import { describe, expect, test } from 'vitest';
import { acceptedSecrets } from '../../../src/subscription/machine/rules/secrets.js';
import { active, DAY, dueIn, HUB, SubscriptionMachine, SECOND_HUB, verifying } from './subscription-machine.js';

/** A machine with two hubs that both granted the subscription. */
function activeAtBoth(): SubscriptionMachine {
  const machine = new SubscriptionMachine();
  machine.rules = { ...machine.rules, hubs: 'all' };
  machine.apply({ type: 'wanted' }).discovered(HUB, SECOND_HUB);
  for (const hub of [HUB, SECOND_HUB]) {
    const { id } = machine.requestedAt(hub).grantAt(hub);
    machine.apply({ type: 'accepted', grantId: id, hub, moved: false });
    machine.verifiedInPost('864000', id);
  }
  return machine;
}

describe('N1 an unsolicited denial', () => {
  test('of one hub does not make the subscription give up when another hub fails', () => {
    const machine = activeAtBoth();
    machine.rules = { ...machine.rules, maxAttempts: 1 };
    const failingId = machine.grantAt(SECOND_HUB).id;
    machine.denied(machine.grantAt(HUB).id).apply({ type: 'renewal-wanted' }).discovered(HUB, SECOND_HUB);
    machine.requestedAt(SECOND_HUB);
    const error = { cause: 'unreachable', code: 'ERR_WEBSUB', message: 'no answer', at: machine.now } as const;
    machine.apply({ type: 'unreachable', grantId: failingId, failure: error });
    expect(machine.record).toMatchObject({ attempts: 1, stoppedBecause: undefined });
  });

  test('leads to one request, even if a renewal is due at the same time', () => {
    const machine = active('600').denied();
    machine.delivers();
    const { id, freshCallbackAt = 0 } = machine.grant;
    const grants = machine.record.grants.map((grant) => ({ ...grant, nextAttemptAt: freshCallbackAt }));
    machine.record = { ...machine.record, grants };
    machine.due(freshCallbackAt - machine.now);
    expect(machine.actions).toEqual(['subscribe']);
    expect(machine.grant.replaces).toBe(id);
  });

  test('does not lead to an earlier request at a failing hub', () => {
    const machine = active().apply({ type: 'renewal-wanted' }).discovered().requested().unreachable(7_200);
    expect(machine.denied().grant.freshCallbackAt).toBe(machine.now + 7_200_000);
  });

  test('that ended a grant keeps its callback from being used again, even after a retry', () => {
    const machine = active('600').denied();
    const { callback } = machine.grant;
    machine.due(600_000);
    // Without another grant, the ended grant would be reused.
    machine.record = {
      ...machine.record,
      grants: machine.record.grants.filter((grant) => grant.callback === callback),
    };
    expect(machine.grant.state).toBe('unsubscribed');
    machine.apply({ type: 'retried' }).discovered().requested();
    expect(machine.grant.callback).not.toBe(callback);
  });
});

describe('V9 a verification while a request is open', () => {
  test('does not replace another grant if its lease has ended before the hub accepts the request', () => {
    const machine = active();
    const { id } = machine.grant;
    machine.apply({ type: 'rotation-wanted', rotate: 'callback' }).requested().verifiedInPost('1');
    machine.after(10_001).accepted();
    expect(machine.record.grants.find((grant) => grant.id === id)?.state).toBe('active');
    machine.verifiedInPost();
    expect(machine.record.grants.find((grant) => grant.id === id)?.state).toBe('unsubscribing');
  });

  test('makes the secret of the request accepted until its lease ends, even if the request fails', () => {
    const machine = verifying().verifiedInPost().refused();
    machine.after(2 * DAY);
    expect(acceptedSecrets(machine.grant.secrets, machine.now).values).toEqual(['a secret']);
  });
});

describe('V4 an unsolicited verification', () => {
  test('undoes a denial, but not the wait after a refusal', () => {
    const machine = active().apply({ type: 'renewal-wanted' }).discovered().requested().refused();
    const wait = dueIn(machine);
    machine.denied().after(1_000).verifiedInPost();
    expect(dueIn(machine)).toBe(wait - 1_000);
  });

  test('is remembered by a new grant at the same hub, so that it brings a renewal forward once an hour at most', () => {
    const machine = active().after(DAY).verifiedInPost('600');
    const { broughtForwardAt, expiresAt = 0 } = machine.grant;
    expect(broughtForwardAt).toBe(machine.now);
    machine.denied();
    const grants = machine.record.grants.map((grant) => ({ ...grant, freshCallbackAt: undefined }));
    machine.record = { ...machine.record, grants };
    machine.due(expiresAt - machine.now).discovered();
    expect(machine.record.grants).toHaveLength(2);
    expect(machine.grant).toMatchObject({ state: 'requested', broughtForwardAt });
  });
});

test('N3 a hub error does not postpone a planned renewal', () => {
  const machine = active('600');
  machine.random = 1;
  const grants = machine.record.grants.map((grant) => ({ ...grant, attempts: 12 }));
  machine.record = { ...machine.record, attempts: 12, attemptsKept: 12, grants };
  const planned = dueIn(machine);
  machine.hubError();
  expect(dueIn(machine)).toBe(planned);
});

describe('a grant that replaces another grant', () => {
  test('V4 postpones the renewal of the other grant only once, even if it is denied repeatedly', () => {
    const machine = active();
    const { id } = machine.grant;
    machine.apply({ type: 'rotation-wanted', rotate: 'callback' }).requested().unreachable();
    machine.verifiedInPost();
    const successorId = machine.grant.id;
    const grants = machine.record.grants.map((grant) =>
      grant.id === id ? { ...grant, renewsAt: machine.now } : grant,
    );
    machine.record = { ...machine.record, grants };
    machine.denied(successorId);
    const plannedAt = machine.now + dueIn(machine);
    machine.after(61_000).verifiedInPost('864000', successorId);
    machine.after(1_000).denied(successorId);
    expect(machine.record.grants.find((grant) => grant.id === id)?.nextAttemptAt).toBeLessThanOrEqual(plannedAt);
  });

  test('L1 does not prevent the renewal of the other grant once the replacing grant has expired', () => {
    const machine = active('3600');
    const { id, renewsAt = 0 } = machine.grant;
    machine.apply({ type: 'rotation-wanted', rotate: 'callback' }).requested().unreachable(7_200);
    machine.verifiedInPost('10');
    machine.due(10_001);
    expect(machine.grant.state).toBe('expired');
    machine.due(renewsAt - machine.now);
    expect(machine.actions).toContain('discover');
    expect(machine.record.grants.find((grant) => grant.id === id)?.isRenewalStarted).toBe(true);
  });

  test('L3 does not prevent a request at the end of the other lease while the replacing grant waits', () => {
    const machine = active('3600');
    const { expiresAt = 0 } = machine.grant;
    machine.apply({ type: 'rotation-wanted', rotate: 'callback' }).requested().unreachable(7_200);
    machine.record = {
      ...machine.record,
      grants: machine.record.grants.map((grant) => ({ ...grant, renewsAt: undefined })),
    };
    machine.due(expiresAt - machine.now);
    expect(machine.actions).toContain('discover');
    expect(machine.discovered().actions).toContain('subscribe');
  });

  test('is requested when the user rotates the callback, even while the grant waits after a failure', () => {
    const machine = active().apply({ type: 'rotation-wanted', rotate: 'callback' }).requested().unreachable();
    machine.apply({ type: 'counters-reset' });
    machine.apply({ type: 'rotation-wanted', rotate: 'callback' });
    expect(machine.actions).toEqual(['subscribe']);
  });
});

describe('S3 a failed unsubscribe request', () => {
  test('is retried soon, even after renewals with long waits', () => {
    const machine = active();
    for (let count = 0; count < 6; count += 1) {
      machine.apply({ type: 'renewal-wanted' }).discovered().requested().refused();
    }
    expect(dueIn(machine)).toBeGreaterThan(3_600_000);
    machine.unwanted('unsubscribed').requested().unreachable();
    expect(dueIn(machine)).toBeLessThanOrEqual(2_000);
  });
});

test('N1 a denial does not lead to an earlier request at a hub with a longer Retry-After', () => {
  const machine = active().apply({ type: 'renewal-wanted' }).discovered().requested().unreachable(3_600);
  machine.denied();
  expect(machine.due(180_000).actions).toEqual([]);
  expect(machine.due(3_600_000).actions).toEqual(['subscribe']);
});

test('N1 a denial does not prevent the renewal under the only callback', () => {
  const machine = new SubscriptionMachine();
  machine.hasOneCallback = true;
  machine.apply({ type: 'wanted' }).discovered().requested().accepted().verified();
  machine.due(9 * DAY);
  expect(machine.actions).toEqual(['discover']);
  machine.denied().discovered();
  expect(machine.due(60_000).actions).toEqual(['subscribe']);
});

test("N2 afterDenial: 'stop' does not take a forged denial as the answer to a refused request", () => {
  const machine = verifying(HUB, SECOND_HUB).refused();
  machine.rules = { ...machine.rules, afterDenial: 'stop' };
  machine.after(1_000).denied(machine.grantAt(HUB).id);
  machine.requestedAt(SECOND_HUB);
  machine.denied(machine.grantAt(SECOND_HUB).id).due(60_000);
  expect(machine.record.stoppedBecause).toBeUndefined();
});

describe('C7 a renewal that is owed for refused content', () => {
  test('starts within ten minutes after a restart', () => {
    const machine = active().apply({ type: 'content-refused', since: 0 });
    machine.apply({ type: 'wanted' });
    expect(dueIn(machine)).toBeLessThanOrEqual(600_000);
    expect(machine.record.renewalOwed).toBeUndefined();
  });

  test('does not shorten the wait after a refusal', () => {
    const machine = active().apply({ type: 'renewal-wanted' }).discovered().requested().refused();
    const { notBefore } = machine.grant;
    machine.apply({ type: 'renewal-wanted', isOwed: true }).discovered();
    machine.requested();
    expect(machine.grant).toMatchObject({ pending: undefined, nextAttemptAt: notBefore });
  });
});
