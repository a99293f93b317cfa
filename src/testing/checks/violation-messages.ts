import type { Violation } from './violation.js';

/** The message of each violation, made of the values that it names. */
const MESSAGES: Readonly<Record<Violation['code'], (value: string, other: string) => string>> = {
  'not-a-post': (method) => `The request method is ${method}; it must be POST`,
  'content-type': (type) => `Content-Type is ${type}; it must be application/x-www-form-urlencoded`,
  'not-utf-8': (charset) => `The form is encoded in ${charset}; it must be encoded in UTF-8`,
  'missing-callback': () => 'hub.callback is missing',
  'missing-mode': () => 'hub.mode is missing',
  'missing-topic': () => 'hub.topic is missing',
  'unknown-mode': (mode) => `hub.mode is ${JSON.stringify(mode)}; it must be subscribe or unsubscribe`,
  'duplicate-parameter': (name) => `${name} appears more than once`,
  'callback-not-a-url': (url) => `hub.callback is ${JSON.stringify(url)}; it must be an absolute http or https URL`,
  'topic-not-a-url': (url) => `hub.topic is ${JSON.stringify(url)}; it must be an absolute http or https URL`,
  'url-with-fragment': (name) => `${name} has a fragment; clients never send fragments to a server`,
  'lease-seconds': (lease) =>
    `hub.lease_seconds is ${JSON.stringify(lease)}; it must be a positive whole number of seconds`,
  'secret-too-long': (bytes) => `hub.secret has ${bytes} bytes; it must have fewer than 200`,
  'secret-empty': () => 'hub.secret is empty; it must have at least one byte',
  'secret-over-plain-http': (host) => `hub.secret was sent over plain HTTP to ${host}; it must be sent over HTTPS`,
  'callback-shared': (topic, otherTopic) =>
    `The callback for ${topic} is already used for ${otherTopic}; each subscription must have its own callback`,
  'unsubscribe-unknown': (topic) =>
    `The unsubscribe request for ${topic} has a callback that was never subscribed to this topic`,
  'missing-verify': () => 'hub.verify is missing; PubSubHubbub 0.3 requires it',
  'unknown-verify': (verify) => `hub.verify is ${JSON.stringify(verify)}; it must be async or sync`,
  'confirmed-wrong-topic': (topic) =>
    `The subscriber requested ${topic}, but confirmed a topic that it did not request`,
  'confirmed-wrong-mode': (topic, mode) =>
    `The subscriber confirmed hub.mode=${mode} for ${topic}, but requested the opposite mode`,
  'confirmed-unasked-unsubscription': (topic) =>
    `The subscriber confirmed an unsubscription from ${topic} that it did not request`,
  'challenge-not-echoed': (topic, status) => `The body of the ${status} response for ${topic} is not the challenge`,
};

/** Returns the message of a violation. The values are never secrets. */
export function violationMessage(code: Violation['code'], value = '', other = ''): string {
  return MESSAGES[code](value, other);
}
