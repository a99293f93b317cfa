import { describe, expect, test } from 'vitest';
import type { SecretRecord } from '../../../../src/subscription/record/record.js';
import {
  acceptedSecrets,
  latestSecret,
  withPendingSecret,
  withVerifiedSecret,
} from '../../../../src/subscription/machine/rules/secrets.js';
import { active, DAY, START, type Life } from '../life.js';

const HOUR = 3_600_000;

/** The secrets after requests with these secrets and, where it says `verified`, verifications: one each hour. */
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

  test('is accepted beside the one that holds until the renewal is verified', () => {
    expect(values(secretsAfter('a', 'verified', 'b'), START + 3 * HOUR)).toEqual(['b', 'a']);
  });

  test('is accepted for a day where nothing comes of the request', () => {
    const secrets = secretsAfter('a', 'verified', 'b');
    expect(values(secrets, START + 2 * HOUR + DAY - 1)).toEqual(['b', 'a']);
    expect(values(secrets, START + 2 * HOUR + DAY)).toEqual(['a']);
  });

  test('is accepted without an end once it is verified, also late', () => {
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

  test('is accepted for another day also where it was pending: a hub may have taken it at its request', () => {
    const asked = withPendingSecret(secretsAfter('a'), 'b', START + 23 * HOUR);
    const secrets = withVerifiedSecret(asked, START + 24 * HOUR);
    expect(values(secrets, START + 47 * HOUR - 1)).toEqual(['b', 'a']);
    expect(values(secrets, START + 47 * HOUR)).toEqual(['b']);
  });

  test('is forgotten when its day is over', () => {
    expect(withVerifiedSecret(secretsAfter('a', 'verified', 'b', 'verified'), START + 3 * DAY)).toEqual([
      { value: 'b', role: 'current' },
    ]);
  });

  test('holds again when it is asked for again', () => {
    const secrets = secretsAfter('a', 'verified', 'b', 'a');
    expect(secrets.filter(({ value }) => value === 'a')).toEqual([{ value: 'a', role: 'current' }]);
    expect(values(secrets, START + 3 * HOUR)).toContain('b');
  });
});

describe('content without a signature', () => {
  test('is accepted where nothing was asked for, or no secret was', () => {
    expect(acceptedSecrets([], START).unsigned).toBe(true);
    expect(acceptedSecrets(secretsAfter(null), START)).toEqual({ values: [], unsigned: true });
  });

  test('V6 is accepted for a day after a secret has replaced none', () => {
    const secrets = secretsAfter(null, 'verified', 'a', 'verified');
    expect(acceptedSecrets(secrets, START + 3 * HOUR + DAY - 1).unsigned).toBe(true);
    expect(acceptedSecrets(secrets, START + 3 * HOUR + DAY).unsigned).toBe(false);
  });

  test('C2 is not accepted where there is a secret, nor where the only one is out of date', () => {
    expect(acceptedSecrets(secretsAfter('a'), START).unsigned).toBe(false);
    expect(acceptedSecrets(secretsAfter('a'), START + 2 * DAY)).toEqual({ values: [], unsigned: false });
  });
});

describe('the secret that a request repeats', () => {
  test('is the one the hub was given last', () => {
    expect(latestSecret([])).toBeUndefined();
    expect(latestSecret(secretsAfter(null))).toBeUndefined();
    expect(latestSecret(secretsAfter('a'))).toBe('a');
    expect(latestSecret(secretsAfter('a', 'verified'))).toBe('a');
    expect(latestSecret(secretsAfter('a', 'verified', 'b'))).toBe('b');
  });

  test('S7 is not another at each try of a hub that is asked over https with a secret, then over http without', () => {
    const secrets = secretsAfter('a', null, 'a', null);
    expect(latestSecret(secrets)).toBe('a');
    expect(secrets).toHaveLength(2);
  });
});

describe('V4 a verification that nobody asked for', () => {
  const renewing = (): Life =>
    active()
      .due(9 * DAY)
      .discovered()
      .requested({ requestId: 'r2', secret: 'another' });

  test('does not make current what a refused renewal carried: the hub may never have taken it', () => {
    const life = renewing();
    life.apply({
      type: 'refused',
      grantId: life.grant.id,
      requestId: 'r2',
      failure: { cause: 'refused', code: 'ERR_WEBSUB', message: 'no', at: life.now },
    });
    const { secrets } = life.grant;
    life.after(HOUR).verified();
    expect(life.asked).toEqual(['tell renewed']);
    expect(life.grant.secrets).toEqual(secrets);
    expect(values(life.grant.secrets, life.now + 5 * DAY)).toEqual(['a secret']);
  });

  test('has the hub asked again before a secret is not accepted any more that it may have taken', () => {
    const life = active().after(DAY).apply({ type: 'renewal-wanted' }).discovered().requested({ secret: 'another' });
    life.unwanted('unsubscribed');
    const failure = { cause: 'handler-refused', code: 'ERR_WEBSUB', message: 'no', at: life.now } as const;
    life.apply({ type: 'handler-refused', grantId: life.grant.id, mode: 'unsubscribe', failure });
    life.verified();
    expect(life.due(DAY / 2).asked).toEqual(['discover']);
    expect(values(life.grant.secrets, life.now)).toEqual(['another', 'a secret']);
  });

  test('leaves both acceptable where it is hours late, and the next try makes the new one current', () => {
    const life = renewing().accepted({ requestId: 'r2' }).due(60_000);
    expect(life.asked).toEqual(['tell failed']);
    life.after(HOUR).verified();
    expect(values(life.grant.secrets, life.now + DAY - HOUR - 2 * 60_000)).toEqual(['another', 'a secret']);
    life.due(1_000).discovered();
    expect(life.asked).toEqual(['subscribe']);
    life.requested({ requestId: 'r3', secret: latestSecret(life.grant.secrets) ?? null }).verified();
    expect(values(life.grant.secrets, life.now + DAY - 1)).toEqual(['another', 'a secret']);
    expect(values(life.grant.secrets, life.now + 5 * DAY)).toEqual(['another']);
  });
});
