import { ConfigurationError } from '../../errors.js';

/**
 * The maximum number of redirects to follow.
 *
 * @param field the option that holds the number, for the error
 * @throws ConfigurationError if it is not a whole number from 0
 */
export function checkedMaxRedirects(field: string, maxRedirects = 5): number {
  if (Number.isSafeInteger(maxRedirects) && maxRedirects >= 0) return maxRedirects;
  throw new ConfigurationError(`${field} is ${maxRedirects}; it must be a whole number, at least 0.`);
}
