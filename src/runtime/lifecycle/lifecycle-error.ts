import { WebSubError } from '../../errors.js';

/** The error for a call of the runtime during or after its stop. */
export function stoppingError(): WebSubError {
  return new WebSubError('The runtime is stopping or has stopped. Call startService again.');
}

/** The error for a start that was ended by a stop. */
export function stoppedDuringStartError(): WebSubError {
  return new WebSubError('The runtime was stopped before it had started.');
}

/** The error for `begin()` before the services have started. */
export function beginTooEarlyError(): WebSubError {
  return new WebSubError(
    'begin() was called before startService resolved. Call it afterwards, once your server listens.',
  );
}

/** The error for `ready()` in `onStart`, where it would wait for itself. */
export function readyTooEarlyError(): WebSubError {
  return new WebSubError(
    'ready() was called in onStart, but subscribe requests are sent only after onStart. Call it after startService resolves.',
  );
}
