import { errorMessage } from '../../store/store-error.js';

/** What a network error says, its parts first: `connect ECONNREFUSED 127.0.0.1:80`. */
export function networkErrorMessage(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0)
    return error.errors.map(networkErrorMessage).join(', ');
  return errorMessage(error);
}
