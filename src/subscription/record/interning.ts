import type { GrantRecord, SecretRecord, SubscriptionOverrides, SubscriptionRecord } from './record.js';
import { SUBSCRIPTION_STATES, type SubscriptionTarget } from './snapshot.js';

const NOTHING: readonly never[] = [];
const STATES = new Map(SUBSCRIPTION_STATES.map((state) => [state, state]));
const ROLES = new Map((['current', 'pending', 'replaced'] as const).map((role) => [role, role]));

/**
 * Makes records that were read one by one share what is the same in many of them: hubs, services, states, secrets. Of a
 * hundred thousand subscriptions most are at a few hubs.
 */
export class SharedParts {
  readonly #texts = new Map<string, string>();
  readonly #lists = new Map<string, readonly string[]>();
  #lastSecret = '';

  /** The same record, with its parts shared. */
  of(record: SubscriptionRecord): SubscriptionRecord {
    const target = this.#target(record.target);
    const topic = sameOr(named(target), record.topic);
    return {
      ...record,
      id: own(record.id),
      target,
      topic,
      service: this.#text(record.service),
      ...(record.overrides?.customParams === undefined ? {} : { overrides: ownOverrides(record.overrides) }),
      ...(record.metadata === undefined ? {} : { metadata: ownStrings(record.metadata) }),
      desired: record.desired === 'subscribed' ? 'subscribed' : 'unsubscribed',
      hubs: this.#list(record.hubs),
      passedOver: this.#list(record.passedOver),
      grants: record.grants.length === 0 ? NOTHING : record.grants.map((grant) => this.#grant(grant, topic)),
    };
  }

  #grant(grant: GrantRecord, topic: string | undefined): GrantRecord {
    const callback = own(grant.callback);
    const { path } = grant;
    return {
      ...grant,
      id: own(grant.id),
      callback,
      state: STATES.get(grant.state) ?? grant.state,
      ...(grant.verifyForm === 'none' ? { verifyForm: 'none' } : {}),
      advertisedHub: this.#text(grant.advertisedHub),
      hub: this.#text(grant.hub),
      topic: sameOr(topic, grant.topic) ?? '',
      // Taken out of the callback it has no characters of its own.
      path: callback.endsWith(path) ? callback.slice(callback.length - path.length) : own(path),
      secrets: grant.secrets.length === 0 ? NOTHING : grant.secrets.map((secret) => this.#secret(secret)),
    };
  }

  #secret(secret: SecretRecord): SecretRecord {
    const { value, role } = secret;
    // A service's own secret is that of the record before; those that were drawn are each another.
    this.#lastSecret = value === this.#lastSecret || value === null ? this.#lastSecret : own(value);
    return { ...secret, role: ROLES.get(role) ?? role, value: value === null ? null : this.#lastSecret };
  }

  #target(target: SubscriptionTarget): SubscriptionTarget {
    return typeof target === 'string' ? own(target) : { hub: this.#text(target.hub), topic: own(target.topic) };
  }

  #text(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    const mine = own(text);
    this.#texts.set(mine, mine);
    return mine;
  }

  #list(list: readonly string[]): readonly string[] {
    if (list.length === 0) return NOTHING;
    const key = list.join('\n');
    const known = this.#lists.get(key) ?? list.map((text) => this.#text(text));
    this.#lists.set(key, known);
    return known;
  }
}

function named(target: SubscriptionTarget): string {
  return typeof target === 'string' ? target : target.topic;
}

/** A text without what it was cut out of: a decoder cuts texts out of whole rows, which are kept as long as one of them is. */
function own(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8');
}

function ownOverrides({ customParams = {}, ...overrides }: SubscriptionOverrides): SubscriptionOverrides {
  return { ...overrides, customParams: ownStrings(customParams) };
}

function ownStrings(strings: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(strings).map(([name, text]) => [own(name), own(text)]));
}

/** The first where both say the same, so that it is kept once. */
function sameOr(shared: string | undefined, text: string | undefined): string | undefined {
  return shared === text || text === undefined ? text && shared : own(text);
}
