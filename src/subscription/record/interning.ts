import type { GrantRecord, SecretRecord, SubscriptionOverrides, SubscriptionRecord } from './record.js';
import { SUBSCRIPTION_STATES, type SubscriptionTarget } from './snapshot.js';

const EMPTY: readonly never[] = [];
const STATES = new Map(SUBSCRIPTION_STATES.map((state) => [state, state]));
const ROLES = new Map((['current', 'pending', 'replaced'] as const).map((role) => [role, role]));

/**
 * Lets records share equal values, such as hubs, services, states and secrets. This saves memory: of a hundred thousand
 * subscriptions, most use the same few hubs.
 */
export class RecordInterner {
  readonly #texts = new Map<string, string>();
  readonly #lists = new Map<string, readonly string[]>();
  #lastSecret = '';

  /** An equal record that shares its values with others. */
  intern(record: SubscriptionRecord): SubscriptionRecord {
    const target = this.#target(record.target);
    const topic = sharedOrCopy(topicUrlOf(target), record.topic);
    return {
      ...record,
      id: copyText(record.id),
      target,
      topic,
      service: this.#text(record.service),
      ...(record.overrides?.customParams === undefined ? {} : { overrides: copyOverrides(record.overrides) }),
      ...(record.metadata === undefined ? {} : { metadata: copyStrings(record.metadata) }),
      desired: record.desired === 'subscribed' ? 'subscribed' : 'unsubscribed',
      hubs: this.#list(record.hubs),
      passedOver: this.#list(record.passedOver),
      grants: record.grants.length === 0 ? EMPTY : record.grants.map((grant) => this.#grant(grant, topic)),
    };
  }

  #grant(grant: GrantRecord, topic: string | undefined): GrantRecord {
    const callback = copyText(grant.callback);
    const { path } = grant;
    return {
      ...grant,
      id: copyText(grant.id),
      callback,
      state: STATES.get(grant.state) ?? grant.state,
      ...(grant.verifyForm === 'none' ? { verifyForm: 'none' } : {}),
      advertisedHub: this.#text(grant.advertisedHub),
      hub: this.#text(grant.hub),
      topic: sharedOrCopy(topic, grant.topic) ?? '',
      // A slice of the callback shares the callback's characters.
      path: callback.endsWith(path) ? callback.slice(callback.length - path.length) : copyText(path),
      secrets: grant.secrets.length === 0 ? EMPTY : grant.secrets.map((secret) => this.#secret(secret)),
    };
  }

  #secret(secret: SecretRecord): SecretRecord {
    const { value, role } = secret;
    // A configured secret equals the secret of the service's previous record. Random secrets all differ.
    this.#lastSecret = value === this.#lastSecret || value === null ? this.#lastSecret : copyText(value);
    return { ...secret, role: ROLES.get(role) ?? role, value: value === null ? null : this.#lastSecret };
  }

  #target(target: SubscriptionTarget): SubscriptionTarget {
    return typeof target === 'string'
      ? copyText(target)
      : { hub: this.#text(target.hub), topic: copyText(target.topic) };
  }

  #text(text: string): string {
    const shared = this.#texts.get(text);
    if (shared !== undefined) return shared;
    const copy = copyText(text);
    this.#texts.set(copy, copy);
    return copy;
  }

  #list(list: readonly string[]): readonly string[] {
    if (list.length === 0) return EMPTY;
    const key = list.join('\n');
    const shared = this.#lists.get(key) ?? list.map((text) => this.#text(text));
    this.#lists.set(key, shared);
    return shared;
  }
}

function topicUrlOf(target: SubscriptionTarget): string {
  return typeof target === 'string' ? target : target.topic;
}

/** A copy with its own memory. A decoder returns slices of a row, and each slice keeps the whole row in memory. */
function copyText(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8');
}

function copyOverrides({ customParams = {}, ...overrides }: SubscriptionOverrides): SubscriptionOverrides {
  return { ...overrides, customParams: copyStrings(customParams) };
}

function copyStrings(strings: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(strings).map(([name, text]) => [copyText(name), copyText(text)]));
}

/** The shared text if both are equal, else a copy of the other text. */
function sharedOrCopy(shared: string | undefined, text: string | undefined): string | undefined {
  return shared === text || text === undefined ? text && shared : copyText(text);
}
