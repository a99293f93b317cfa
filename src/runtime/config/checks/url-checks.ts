import { parseHttpUrl, withoutCredentials } from '../../../protocol/http-url.js';
import { wrongValue, type Check } from './field-checks.js';

const WHITE_SPACE = /[\s\p{Cc}]/u;
const EXPECTED_PATH = "path segments of letters, digits, '-', '.', '_' and '~', joined by '/'";

/** Checks an absolute http or https URL. Returns it unchanged, because hubs compare topics as strings. */
export const httpUrl: Check<string> = (value, place) => {
  if (typeof value !== 'string' || WHITE_SPACE.test(value)) {
    throw wrongValue(place, value, 'an http or https URL without white space');
  }
  parseHttpUrl(`${place.subject}: ${place.field}`, value);
  return value;
};

/** Checks a topic of a known hub: usually a URL, but a plain name for some hubs. */
export const topicOfHub: Check<string> = (value, place) => {
  if (typeof value !== 'string' || value === '' || WHITE_SPACE.test(value) || withoutCredentials(value) !== value) {
    throw wrongValue(place, value, "the topic's URL or name, without white space or credentials");
  }
  return value;
};

/** Checks a path of safe segments. Drops one slash at either end. */
export const servicePath: Check<string> = (value, place) => {
  if (typeof value !== 'string') throw wrongValue(place, value, EXPECTED_PATH);
  const path = value.replace(/^\//, '').replace(/\/$/, '');
  const isSafe = path.split('/').every((segment) => /^[\w.~-]+$/.test(segment) && !/^\.\.?$/.test(segment));
  if (!isSafe) throw wrongValue(place, value, EXPECTED_PATH);
  return path;
};
