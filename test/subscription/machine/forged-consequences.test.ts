import { describe, expect, test } from 'vitest';
import { acceptedSecrets } from '../../../src/subscription/machine/rules/secrets.js';
import { active, DAY, dueIn, HUB, Life, SECOND_HUB, verifying } from './life.js';

/** A life with two hubs that both granted it. */
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

describe('N1 an unasked denial', () => {
  test('of one hub does not have the subscription given up when another one fails', () => {
    const life = activeAtBoth();
    life.rules = { ...life.rules, maxAttempts: 1 };
    const failing = life.grantAt(SECOND_HUB).id;
    life.denied(life.grantAt(HUB).id).apply({ type: 'renewal-wanted' }).discovered(HUB, SECOND_HUB);
    life.requestedAt(SECOND_HUB);
    const error = { cause: 'unreachable', code: 'ERR_WEBSUB', message: 'no answer', at: life.now } as const;
    life.apply({ type: 'unreachable', grantId: failing, requestId: `at ${SECOND_HUB}`, failure: error });
    expect(life.record).toMatchObject({ attempts: 1, stoppedBecause: undefined });
  });

  test('leads to one request, also where a renewal is due at the same time', () => {
    const life = active('600').denied();
    life.delivers();
    const { id, freshCallbackAt: askAfreshAt = 0 } = life.grant;
    const grants = life.record.grants.map((grant) => ({ ...grant, nextAttemptAt: askAfreshAt }));
    life.record = { ...life.record, grants };
    life.due(askAfreshAt - life.now);
    expect(life.asked).toEqual(['subscribe']);
    expect(life.grant.replaces).toBe(id);
  });

  test('does not have a hub asked sooner that fails', () => {
    const life = active().apply({ type: 'renewal-wanted' }).discovered().requested().unreachable(7_200);
    expect(life.denied().grant.freshCallbackAt).toBe(life.now + 7_200_000);
  });

  test('that ended a grant keeps its callback from being used again, also after a retry', () => {
    const life = active('600').denied();
    const { callback } = life.grant;
    life.due(600_000);
    // Should nothing else be there, the ended grant would be taken up again.
    life.record = { ...life.record, grants: life.record.grants.filter((grant) => grant.callback === callback) };
    expect(life.grant.state).toBe('unsubscribed');
    life.apply({ type: 'retried' }).discovered().requested();
    expect(life.grant.callback).not.toBe(callback);
  });
});

describe('V9 a verification while a request is open', () => {
  test('whose lease has ended when the hub takes the request does not have another grant left', () => {
    const life = active();
    const { id } = life.grant;
    life.apply({ type: 'rotation-wanted', what: 'callback' }).requested().verifiedInPost('1');
    life.after(10_001).accepted();
    expect(life.record.grants.find((grant) => grant.id === id)?.state).toBe('active');
    life.verifiedInPost();
    expect(life.record.grants.find((grant) => grant.id === id)?.state).toBe('unsubscribing');
  });

  test('has the secret of the request accepted for as long as its lease, should the request fail', () => {
    const life = verifying().verifiedInPost().refused();
    life.after(2 * DAY);
    expect(acceptedSecrets(life.grant.secrets, life.now).values).toEqual(['a secret']);
  });
});

describe('V4 a verification that nobody asked for', () => {
  test('undoes a denial, but not the wait after a refusal', () => {
    const life = active().apply({ type: 'renewal-wanted' }).discovered().requested().refused();
    const wait = dueIn(life);
    life.denied().after(1_000).verifiedInPost();
    expect(dueIn(life)).toBe(wait - 1_000);
  });

  test('brings a renewal forward once an hour, also at a hub that grants anew meanwhile', () => {
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

test('N3 a hub error does not put a planned renewal off', () => {
  const life = active('600');
  life.random = 1;
  const grants = life.record.grants.map((grant) => ({ ...grant, attempts: 12 }));
  life.record = { ...life.record, attempts: 12, attemptsKept: 12, grants };
  const planned = dueIn(life);
  life.hubError();
  expect(dueIn(life)).toBe(planned);
});

describe('a grant that is to take the place of another', () => {
  test('V4 whose denials are forged puts the renewal of the other off once only', () => {
    const life = active();
    const { id } = life.grant;
    life.apply({ type: 'rotation-wanted', what: 'callback' }).requested().unreachable();
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

  test('L1 and has run out does not keep the other from being renewed', () => {
    const life = active('3600');
    const { id, renewsAt = 0 } = life.grant;
    life.apply({ type: 'rotation-wanted', what: 'callback' }).requested().unreachable(7_200);
    life.verifiedInPost('10');
    life.due(10_001);
    expect(life.grant.state).toBe('expired');
    life.due(renewsAt - life.now);
    expect(life.asked).toContain('discover');
    expect(life.record.grants.find((grant) => grant.id === id)?.renewalDue).toBe(true);
  });

  test('L3 and waits does not keep the hub from being asked at the end of the other', () => {
    const life = active('3600');
    const { expiresAt = 0 } = life.grant;
    life.apply({ type: 'rotation-wanted', what: 'callback' }).requested().unreachable(7_200);
    life.record = { ...life.record, grants: life.record.grants.map((grant) => ({ ...grant, renewsAt: undefined })) };
    life.due(expiresAt - life.now);
    expect(life.asked).toContain('discover');
    expect(life.discovered().asked).toContain('subscribe');
  });

  test('and waits after a failure is asked for when the user wants another callback', () => {
    const life = active().apply({ type: 'rotation-wanted', what: 'callback' }).requested().unreachable();
    life.apply({ type: 'counters-reset' });
    life.apply({ type: 'rotation-wanted', what: 'callback' });
    expect(life.asked).toEqual(['subscribe']);
  });
});

describe('S3 an unsubscription that failed', () => {
  test('is tried again soon, whatever the renewals before it waited for', () => {
    const life = active();
    for (let time = 0; time < 6; time += 1) {
      life.apply({ type: 'renewal-wanted' }).discovered().requested().refused();
    }
    expect(dueIn(life)).toBeGreaterThan(3_600_000);
    life.unwanted('unsubscribed').requested().unreachable();
    expect(dueIn(life)).toBeLessThanOrEqual(2_000);
  });
});

test('N1 a denial does not have a hub asked at once that wants to be left alone for longer', () => {
  const life = active().apply({ type: 'renewal-wanted' }).discovered().requested().unreachable(3_600);
  life.denied();
  expect(life.due(180_000).asked).toEqual([]);
  expect(life.due(3_600_000).asked).toEqual(['subscribe']);
});

test('N1 where there is one callback to give, denials do not keep its renewal from leaving', () => {
  const life = new Life();
  life.hasOneCallback = true;
  life.apply({ type: 'wanted' }).discovered().requested().accepted().verified();
  life.due(9 * DAY);
  expect(life.asked).toEqual(['discover']);
  life.denied().discovered();
  expect(life.due(60_000).asked).toEqual(['subscribe']);
});

test("N2 afterDenial: 'stop' takes no forged denial for the answer to a refused request", () => {
  const life = verifying(HUB, SECOND_HUB).refused();
  life.rules = { ...life.rules, afterDenial: 'stop' };
  life.after(1_000).denied(life.grantAt(HUB).id);
  life.requestedAt(SECOND_HUB);
  life.denied(life.grantAt(SECOND_HUB).id).due(60_000);
  expect(life.record.stoppedBecause).toBeUndefined();
});

describe('C7 a renewal that is owed for refused content', () => {
  test('is begun after a restart, within ten minutes', () => {
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
