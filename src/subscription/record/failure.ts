import { SubscriptionVerificationError, UnsubscriptionVerificationError, WebSubError } from '../../errors.js';
import type { FailureRecord } from './record.js';

const originals = new WeakMap<FailureRecord, Error>();

/** The stored form of an error. */
export function failureOf(error: unknown, cause: FailureRecord['cause'], at: number): FailureRecord {
  const code = error instanceof WebSubError ? error.code : 'ERR_WEBSUB';
  const failure = { cause, code, message: error instanceof Error ? error.message : String(error), at };
  if (error instanceof Error) originals.set(failure, error);
  return failure;
}

/** The original error of a failure. After a restart, a new error with the same message. */
export function errorOf(failure: FailureRecord): Error {
  const original = originals.get(failure);
  if (original !== undefined) return original;
  switch (failure.code) {
    case 'ERR_WEBSUB_SUBSCRIPTION_VERIFICATION':
      return new SubscriptionVerificationError(failure.message);
    case 'ERR_WEBSUB_UNSUBSCRIPTION_VERIFICATION':
      return new UnsubscriptionVerificationError(failure.message);
    default:
      return new WebSubError(failure.message);
  }
}
