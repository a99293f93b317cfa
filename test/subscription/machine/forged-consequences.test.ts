import { describe, expect, test } from 'vitest';
import { acceptedSecrets } from '../../../src/subscription/machine/rules/secrets.js';
import { active, DAY, dueIn, HUB, Life, SECOND_HUB, verifying } from './life.js';

/** A life with two hubs that both granted the subscription. */
function activeAtBoth(): Life {
  const life = new Life();
  life.rules = { ...life.rules, hubs: 'all' };
  life.apply({ type: 'wanted' }).discovered(HUB, SECOND_HUB);
  for (const hub of [HUB, SECOND_HUB]) {
    const { id } = life.requestedAt(hub).grantAt(hub);
    life.apply({ type: 'accepted', grantId: id, requestId: `at ${hub}`, hub, moved: false });
    life.verifiedInPost('864000', id);
  }
  return life;
}

describe('N1 an unsolicited denial', () => {
  test('of one hub does not make the subscription give up when another hub fails', () => {
    const life = activeAtBoth();
    life.rules = { ...life.rules, maxAttempts: 1 };
    const failing = life.grantAt(SECOND_HUB).id;
    life.denied(life.grantAt(HUB).id).apply({ type: 'renewal-wanted' }).discovered(HUB, SECOND_HUB);
    life.requestedAt(SECOND_HUB);
    const error = { cause: 'unreachable', code: 'ERR_WEBSUB', message: 'no answer', at: life.now } as const;
    life.apply({ type: 'unreachable', grantId: failing, requestId: `at ${SECOND_HUB}`, failure: error });
    expect(life.record).toMatchObject({ attempts: 1, stoppedBecause: undefined });
  });

  test('leads to one request, even if a renewal is due at the same time', () => {
    const life = active('600').denied();
    life.delivers();
    const { id, freshCallbackAt = 0 } = life.grant;
    const grants = life.record.grants.map((grant) => ({ ...grant, nextAttemptAt: freshCallbackAt }));
    life.record = { ...life.record, grants };
    life.due(freshCallbackAt - life.now);
    expect(life.actions).toEqual(['subscribe']);
    expect(life.grant.replaces).toBe(id);
  });

  test('does not lead to an earlier request at a failing hub', () => {
    const life = active().apply({ type: 'renewal-wanted' }).discovered().requested().unreachable(7_200);
    expect(life.denied().grant.freshCallbackAt).toBe(life.now + 7_200_000);
  });

  test('that ended a grant keeps its callback from being used again, even after a retry', () => {
    const life = active('600').denied();
    const { callback } = life.grant;
    life.due(600_000);
    // Without another grant, the ended grant would be reused.
    life.record = { ...life.record, grants: life.record.grants.filter((grant) => grant.callback === callback) };
    expect(life.grant.state).toBe('unsubscribed');
    life.apply({ type: 'retried' }).discovered().requested();
    expect(life.grant.callback).not.toBe(callback);
  });
});

describe('V9 a verification while a request is open', () => {
  test('does not replace another grant if its lease has ended before the hub accepts the request', () => {
    const life = active();
    const { id } = life.grant;
    life.apply({ type: 'rotation-wanted', rotate: 'callback' }).requested().verifiedInPost('1');
    life.after(10_001).accepted();
    expect(life.record.grants.find((grant) => grant.id === id)?.state).toBe('active');
    life.verifiedInPost();
    expect(life.record.grants.find((grant) => grant.id === id)?.state).toBe('unsubscribing');
  });

  test('makes the secret of the request accepted until its lease ends, even if the request fails', () => {
    const life = verifying().verifiedInPost().refused();
    life.after(2 * DAY);
    expect(acceptedSecrets(life.grant.secrets, life.now).values).toEqual(['a secret']);
  });
});

describe('V4 an unsolicited verification', () => {
  test('undoes a denial, but not the wait after a refusal', () => {
    const life = active().apply({ type: 'renewal-wanted' }).discovered().requested().refused();
    const wait = dueIn(life);
    life.denied().after(1_000).verifiedInPost();
    expect(dueIn(life)).toBe(wait - 1_000);
  });

  test('brings a renewal forward once an hour, even at a hub that grants again meanwhile', () => {
    const life = active().after(DAY).verifiedInPost('600');
    const { broughtForwardAt, expiresAt = 0 } = life.grant;
    expect(broughtForwardAt).toBe(life.now);
    life.denied();
    const grants = life.record.grants.map((grant) => ({ ...grant, freshCallbackAt: undefined }));
    life.record = { ...life.record, grants };
    life.due(expiresAt - life.now).discovered();
    expect(life.record.grants).toHaveLength(2);
    expect(life.grant).toMatchObject({ state: 'requested', broughtForwardAt });
  });
});

test('N3 a hub error does not postpone a planned renewal', () => {
  const life = active('600');
  life.random = 1;
  const grants = life.record.grants.map((grant) => ({ ...grant, attempts: 12 }));
  life.record = { ...life.record, attempts: 12, attemptsKept: 12, grants };
  const planned = dueIn(life);
  life.hubError();
  expect(dueIn(life)).toBe(planned);
});

describe('a grant that replaces another one', () => {
  test('V4 postpones the renewal of the other grant only once if its denials are forged', () => {
    const life = active();
    const { id } = life.grant;
    life.apply({ type: 'rotation-wanted', rotate: 'callback' }).requested().unreachable();
    life.verifiedInPost();
    const second = life.grant.id;
    const grants = life.record.grants.map((grant) => (grant.id === id ? { ...grant, renewsAt: life.now } : grant));
    life.record = { ...life.record, grants };
    life.denied(second);
    const at = life.now + dueIn(life);
    life.after(61_000).verifiedInPost('864000', second);
    life.after(1_000).denied(second);
    expect(life.record.grants.find((grant) => grant.id === id)?.nextAttemptAt).toBeLessThanOrEqual(at);
  });

  test('L1 does not keep the other grant from being renewed after it has expired', () => {
    const life = active('3600');
    const { id, renewsAt = 0 } = life.grant;
    life.apply({ type: 'rotation-wanted', rotate: 'callback' }).requested().unreachable(7_200);
    life.verifiedInPost('10');
    life.due(10_001);
    expect(life.grant.state).toBe('expired');
    life.due(renewsAt - life.now);
    expect(life.actions).toContain('discover');
    expect(life.record.grants.find((grant) => grant.id === id)?.isRenewalStarted).toBe(true);
  });

  test('L3 does not keep the hub from being requested at the end of the other lease while it waits', () => {
    const life = active('3600');
    const { expiresAt = 0 } = life.grant;
    life.apply({ type: 'rotation-wanted', rotate: 'callback' }).requested().unreachable(7_200);
    life.record = { ...life.record, grants: life.record.grants.map((grant) => ({ ...grant, renewsAt: undefined })) };
    life.due(expiresAt - life.now);
    expect(life.actions).toContain('discover');
    expect(life.discovered().actions).toContain('subscribe');
  });

  test('is requested when the user rotates the callback, even while it waits after a failure', () => {
    const life = active().apply({ type: 'rotation-wanted', rotate: 'callback' }).requested().unreachable();
    life.apply({ type: 'counters-reset' });
    life.apply({ type: 'rotation-wanted', rotate: 'callback' });
    expect(life.actions).toEqual(['subscribe']);
  });
});

describe('S3 a failed unsubscribe request', () => {
  test('is retried soon, whatever wait the renewals before it had', () => {
    const life = active();
    for (let time = 0; time < 6; time += 1) {
      life.apply({ type: 'renewal-wanted' }).discovered().requested().refused();
    }
    expect(dueIn(life)).toBeGreaterThan(3_600_000);
    life.unwanted('unsubscribed').requested().unreachable();
    expect(dueIn(life)).toBeLessThanOrEqual(2_000);
  });
});

test('N1 a denial does not lead to an earlier request at a hub with a longer Retry-After', () => {
  const life = active().apply({ type: 'renewal-wanted' }).discovered().requested().unreachable(3_600);
  life.denied();
  expect(life.due(180_000).actions).toEqual([]);
  expect(life.due(3_600_000).actions).toEqual(['subscribe']);
});

test('N1 denials do not keep the renewal of the only callback from being sent', () => {
  const life = new Life();
  life.hasOneCallback = true;
  life.apply({ type: 'wanted' }).discovered().requested().accepted().verified();
  life.due(9 * DAY);
  expect(life.actions).toEqual(['discover']);
  life.denied().discovered();
  expect(life.due(60_000).actions).toEqual(['subscribe']);
});

test("N2 afterDenial: 'stop' does not take a forged denial as the answer to a refused request", () => {
  const life = verifying(HUB, SECOND_HUB).refused();
  life.rules = { ...life.rules, afterDenial: 'stop' };
  life.after(1_000).denied(life.grantAt(HUB).id);
  life.requestedAt(SECOND_HUB);
  life.denied(life.grantAt(SECOND_HUB).id).due(60_000);
  expect(life.record.stoppedBecause).toBeUndefined();
});

describe('C7 a renewal that is owed for refused content', () => {
  test('starts within ten minutes after a restart', () => {
    const life = active().apply({ type: 'missed', since: 0, isRenewalOwed: true });
    life.apply({ type: 'wanted' });
    expect(dueIn(life)).toBeLessThanOrEqual(600_000);
    expect(life.record.renewalOwed).toBeUndefined();
  });

  test('does not shorten the wait after a refusal', () => {
    const life = active().apply({ type: 'renewal-wanted' }).discovered().requested().refused();
    const { notBefore } = life.grant;
    life.apply({ type: 'renewal-wanted', isOwed: true }).discovered();
    life.requested();
    expect(life.grant).toMatchObject({ pending: undefined, nextAttemptAt: notBefore });
  });
});
