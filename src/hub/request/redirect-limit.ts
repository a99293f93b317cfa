import { ConfigurationError } from '../../errors.js';

/**
 * How many redirects are followed.
 *
 * @param field what the number was given as, for the error
 * @throws ConfigurationError when it is not a whole number from 0
 */
export function checkedMaxRedirects(field: string, maxRedirects = 5): number {
  if (Number.isSafeInteger(maxRedirects) && maxRedirects >= 0) return maxRedirects;
  throw new ConfigurationError(`${field} ${maxRedirects} is not a whole number from 0`);
}
