import { ConfigurationError } from '../errors.js';
import { credentialsInUrl, parseHttpUrl, withoutCredentials, wrongUrl } from './http-url.js';

/** The protocol spoken with a hub: WebSub, or its predecessor PubSubHubbub 0.3. */
export type HubProtocol = 'websub' | 'pubsubhubbub-0.3';

/** The content of a subscribe or unsubscribe request (WebSub section 5.1). */
export interface HubRequestForm {
  readonly mode: 'subscribe' | 'unsubscribe';
  readonly topic: string;
  /** The URL for intent verification and content distribution. */
  readonly callback: string;
  /** Requested lease in seconds; without it the hub decides. Sent with `subscribe` only. */
  readonly leaseSeconds?: number | undefined;
  /** The key for signatures, under 200 bytes of UTF-8. Sent with `subscribe` only. */
  readonly secret?: string | undefined;
  /** Hub-specific parameters, added after those of the specification. */
  readonly customParams?: Readonly<Record<string, string>> | undefined;
  /** @default 'websub' */
  readonly protocol?: HubProtocol | undefined;
  /** The hub returns it in its verification. Sent in PubSubHubbub 0.3 only. */
  readonly verifyToken?: string | undefined;
  /**
   * Adds `hub.verify` to a WebSub request. `customParams` overrides it.
   *
   * Quirk(PuSHPress): answers 400 without `hub.verify`.
   */
  readonly verify?: 'async' | undefined;
}

/** A secret must be shorter than this, in bytes (WebSub section 5.1). */
export const SECRET_BYTES_LIMIT = 200;

/** Parameters that `customParams` may not set, and the option that sets each. */
const OPTION_BY_PARAMETER: Readonly<Record<string, string>> = {
  'hub.callback': 'callback',
  'hub.mode': 'requestSubscription or requestUnsubscription',
  'hub.topic': 'topic',
  'hub.lease_seconds': 'leaseSeconds',
  'hub.secret': 'secret',
  'hub.verify_token': 'verifyToken',
};

/**
 * Builds the form of a subscribe or unsubscribe request. Its text is percent-encoded UTF-8.
 *
 * @throws ConfigurationError that names the invalid field
 */
export function requestForm(request: HubRequestForm): URLSearchParams {
  parseHttpUrl('callback', request.callback);
  checkTopic(request.topic);
  const form = new URLSearchParams([
    ['hub.callback', request.callback],
    ['hub.mode', request.mode],
    ['hub.topic', request.topic],
  ]);
  if (request.mode === 'subscribe') {
    if (request.leaseSeconds !== undefined) form.append('hub.lease_seconds', leaseText(request.leaseSeconds));
    if (request.secret !== undefined) form.append('hub.secret', checkedSecret(request.secret));
  }
  if (request.protocol === 'pubsubhubbub-0.3') {
    // Quirk(PubSubHubbub 0.3): several hubs answer 400 without `hub.verify`. We always send it (PROTOCOL S4).
    form.append('hub.verify', 'async');
    form.append('hub.verify', 'sync');
    if (request.verifyToken !== undefined) form.append('hub.verify_token', request.verifyToken);
  } else if (request.verify !== undefined && request.customParams?.['hub.verify'] === undefined) {
    form.append('hub.verify', request.verify);
  }
  for (const [name, value] of Object.entries(request.customParams ?? {})) {
    checkCustomParam(name, form);
    form.append(name, value);
  }
  return form;
}

// Some hubs use plain names as topics, so a topic need not be a URL.
function checkTopic(topic: string): void {
  if (topic === '' || /[\s\p{Cc}]/u.test(topic)) {
    throw wrongUrl('topic', topic, "the topic's URL or name, without white space");
  }
  if (withoutCredentials(topic) !== topic) throw credentialsInUrl('topic', topic);
}

function leaseText(leaseSeconds: number): string {
  if (!Number.isSafeInteger(leaseSeconds) || leaseSeconds < 1) {
    throw new ConfigurationError(`leaseSeconds is ${leaseSeconds}; it must be a whole number of seconds, at least 1.`);
  }
  return String(leaseSeconds);
}

function checkedSecret(secret: string): string {
  const bytes = Buffer.byteLength(secret, 'utf8');
  const rule = `it must be a string of 1 to ${SECRET_BYTES_LIMIT - 1} bytes`;
  if (bytes === 0) throw new ConfigurationError(`secret is empty; ${rule}. Omit it to subscribe without signatures.`);
  if (bytes >= SECRET_BYTES_LIMIT) throw new ConfigurationError(`secret is ${bytes} bytes long (not shown); ${rule}.`);
  return secret;
}

function checkCustomParam(name: string, form: URLSearchParams): void {
  const option = OPTION_BY_PARAMETER[name];
  if (option !== undefined) {
    throw new ConfigurationError(`customParams: ${name} is set by ${option}. Remove it from customParams.`);
  }
  if (form.has(name)) {
    throw new ConfigurationError(
      `customParams: ${name} is already set by protocol 'pubsubhubbub-0.3'. Remove it from customParams.`,
    );
  }
}
