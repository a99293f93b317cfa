import { expect, test } from 'vitest';
import {
  SubscriptionInitiationError,
  SubscriptionVerificationError,
  UnsubscriptionVerificationError,
  WebSubError,
} from '../../../src/errors.js';
import { errorOf, failureOf } from '../../../src/subscription/record/failure.js';
import { START } from '../machine/subscription-machine.js';

test('a failure stores code and message of its error, and hooks get the error itself', () => {
  const error = new SubscriptionInitiationError('no', { reason: 'refused', hub: 'h', topic: 't' });
  const failure = failureOf(error, 'refused', START);
  expect(failure).toEqual({ cause: 'refused', code: 'ERR_WEBSUB_INITIATION', message: 'no', at: START });
  expect(errorOf(failure)).toBe(error);
});

test('a failure stores the message of any other thrown value', () => {
  expect(failureOf('just words', 'discovery', START)).toMatchObject({ code: 'ERR_WEBSUB', message: 'just words' });
  expect(failureOf(new TypeError('odd'), 'discovery', START)).toMatchObject({ code: 'ERR_WEBSUB', message: 'odd' });
});

test.each([
  ['ERR_WEBSUB_SUBSCRIPTION_VERIFICATION', SubscriptionVerificationError],
  ['ERR_WEBSUB_UNSUBSCRIPTION_VERIFICATION', UnsubscriptionVerificationError],
  ['ERR_WEBSUB_INITIATION', WebSubError],
])('a stored failure with code %s becomes a new error with the same message', (code, type) => {
  const error = errorOf({ cause: 'verification-missing', code, message: 'late', at: START });
  expect(error).toBeInstanceOf(type);
  expect(error.message).toBe('late');
});
