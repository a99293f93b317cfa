import { describe, expect, test } from 'vitest';
import type { SecretRecord } from '../../../../src/subscription/record/record.js';
import {
  acceptedSecrets,
  latestSecret,
  withPendingSecret,
  withVerifiedSecret,
} from '../../../../src/subscription/machine/rules/secrets.js';
import { active, DAY, START, type SubscriptionMachine } from '../subscription-machine.js';

const HOUR = 3_600_000;

/** The secrets after requests with these secrets. A step `'verified'` is a verification. One step an hour. */
function secretsAfter(...steps: readonly (string | null)[]): readonly SecretRecord[] {
  return steps.reduce<readonly SecretRecord[]>(
    (secrets, step, index) =>
      step === 'verified'
        ? withVerifiedSecret(secrets, START + index * HOUR)
        : withPendingSecret(secrets, step, START + index * HOUR),
    [],
  );
}

const values = (secrets: readonly SecretRecord[], now: number): readonly string[] =>
  acceptedSecrets(secrets, now).values;

describe('V6 the secret of a request', () => {
  test('is accepted from the request on', () => {
    expect(values(secretsAfter('a'), START)).toEqual(['a']);
  });

  test('is accepted together with the current secret until the renewal is verified', () => {
    expect(values(secretsAfter('a', 'verified', 'b'), START + 3 * HOUR)).toEqual(['b', 'a']);
  });

  test('is accepted for a day if the request fails', () => {
    const secrets = secretsAfter('a', 'verified', 'b');
    expect(values(secrets, START + 2 * HOUR + DAY - 1)).toEqual(['b', 'a']);
    expect(values(secrets, START + 2 * HOUR + DAY)).toEqual(['a']);
  });

  test('is accepted without limit once it is verified, even late', () => {
    const secrets = withVerifiedSecret(secretsAfter('a'), START + 2 * DAY);
    expect(values(secrets, START + 365 * DAY)).toEqual(['a']);
  });
});

describe('V6 a replaced secret', () => {
  test('is accepted for another day', () => {
    const secrets = secretsAfter('a', 'verified', 'b', 'verified');
    expect(values(secrets, START + 3 * HOUR + DAY - 1)).toEqual(['b', 'a']);
    expect(values(secrets, START + 3 * HOUR + DAY)).toEqual(['b']);
  });

  test('is accepted for another day even if it was only pending, because a hub may use it from the request on', () => {
    const pendingSecrets = withPendingSecret(secretsAfter('a'), 'b', START + 23 * HOUR);
    const secrets = withVerifiedSecret(pendingSecrets, START + 24 * HOUR);
    expect(values(secrets, START + 47 * HOUR - 1)).toEqual(['b', 'a']);
    expect(values(secrets, START + 47 * HOUR)).toEqual(['b']);
  });

  test('is dropped when its day is over', () => {
    expect(withVerifiedSecret(secretsAfter('a', 'verified', 'b', 'verified'), START + 3 * DAY)).toEqual([
      { value: 'b', role: 'current' },
    ]);
  });

  test('is current again when it is requested again', () => {
    const secrets = secretsAfter('a', 'verified', 'b', 'a');
    expect(secrets.filter(({ value }) => value === 'a')).toEqual([{ value: 'a', role: 'current' }]);
    expect(values(secrets, START + 3 * HOUR)).toContain('b');
  });
});

describe('content without a signature', () => {
  test('is accepted before any request, and after a request without a secret', () => {
    expect(acceptedSecrets([], START).unsigned).toBe(true);
    expect(acceptedSecrets(secretsAfter(null), START)).toEqual({ values: [], unsigned: true });
  });

  test('V6 is accepted for another day after a first secret was verified', () => {
    const secrets = secretsAfter(null, 'verified', 'a', 'verified');
    expect(acceptedSecrets(secrets, START + 3 * HOUR + DAY - 1).unsigned).toBe(true);
    expect(acceptedSecrets(secrets, START + 3 * HOUR + DAY).unsigned).toBe(false);
  });

  test('C2 is not accepted if there is a secret, even an outdated one', () => {
    expect(acceptedSecrets(secretsAfter('a'), START).unsigned).toBe(false);
    expect(acceptedSecrets(secretsAfter('a'), START + 2 * DAY)).toEqual({ values: [], unsigned: false });
  });
});

describe('the secret that a request repeats', () => {
  test('is the secret that the hub received last', () => {
    expect(latestSecret([])).toBeUndefined();
    expect(latestSecret(secretsAfter(null))).toBeUndefined();
    expect(latestSecret(secretsAfter('a'))).toBe('a');
    expect(latestSecret(secretsAfter('a', 'verified'))).toBe('a');
    expect(latestSecret(secretsAfter('a', 'verified', 'b'))).toBe('b');
  });

  test('S7 stays the same across tries over https with the secret and over http without', () => {
    const secrets = secretsAfter('a', null, 'a', null);
    expect(latestSecret(secrets)).toBe('a');
    expect(secrets).toHaveLength(2);
  });
});

describe('V4 an unsolicited verification', () => {
  const renewing = (): SubscriptionMachine =>
    active()
      .due(9 * DAY)
      .discovered()
      .requested({ secret: 'another' });

  test('does not make the secret of a refused renewal current, because the hub may not have stored it', () => {
    const machine = renewing();
    machine.apply({
      type: 'refused',
      grantId: machine.grant.id,
      failure: { cause: 'refused', code: 'ERR_WEBSUB', message: 'no', at: machine.now },
    });
    const { secrets } = machine.grant;
    machine.after(HOUR).verified();
    expect(machine.actions).toEqual(['hook renewed']);
    expect(machine.grant.secrets).toEqual(secrets);
    expect(values(machine.grant.secrets, machine.now + 5 * DAY)).toEqual(['a secret']);
  });

  test('leads to a request before a secret that the hub may use lapses', () => {
    const machine = active().after(DAY).apply({ type: 'renewal-wanted' }).discovered().requested({ secret: 'another' });
    machine.unwanted('unsubscribed').requested();
    const failure = { cause: 'handler-refused', code: 'ERR_WEBSUB', message: 'no', at: machine.now } as const;
    machine.apply({ type: 'handler-refused', grantId: machine.grant.id, mode: 'unsubscribe', failure });
    machine.verified();
    expect(machine.due(DAY / 2).actions).toEqual(['discover']);
    expect(values(machine.grant.secrets, machine.now)).toEqual(['another', 'a secret']);
  });

  test('keeps both secrets accepted if it comes late, and the next verified request makes the new one current', () => {
    const machine = renewing().accepted().due(60_000);
    expect(machine.actions).toEqual(['hook failed']);
    machine.after(HOUR).verified();
    expect(values(machine.grant.secrets, machine.now + DAY - HOUR - 2 * 60_000)).toEqual(['another', 'a secret']);
    machine.due(1_000).discovered();
    expect(machine.actions).toEqual(['subscribe']);
    machine.requested({ secret: latestSecret(machine.grant.secrets) ?? null }).verified();
    expect(values(machine.grant.secrets, machine.now + DAY - 1)).toEqual(['another', 'a secret']);
    expect(values(machine.grant.secrets, machine.now + 5 * DAY)).toEqual(['another']);
  });
});
