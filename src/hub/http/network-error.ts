import { errorMessage } from '../../store/store-error.js';

/** The message of a network error, such as `connect ECONNREFUSED 127.0.0.1:80`. An AggregateError lists its parts. */
export function networkErrorMessage(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0)
    return error.errors.map(networkErrorMessage).join(', ');
  return errorMessage(error);
}
