import type { Logger } from '../logger.js';
import type { GrantRecord } from '../subscription/record.js';
import type { Entry } from '../subscription/registry.js';
import { grantSnapshot, subscriptionSnapshot } from '../subscription/snapshot-of.js';
import type { DeliveryConfig } from './delivery-config.js';
import type { Acknowledgement, EventHandler } from './event-handler.js';
import { runHandler, type HandlerOutcome } from './handler-run.js';
import type { HookName, HookPayload, Hooks } from './hooks.js';
import type { Inbox } from './inbox.js';
import { ContentDistributionMessage, type ReceivedContent } from './message.js';
import type { StoredEvent } from './stored-event.js';

/** Who news is handed to, and how. */
export interface DeliveryTarget {
  readonly name: string;
  readonly handler: EventHandler;
  readonly delivery: Required<DeliveryConfig>;
}

/** What was received and found genuine. */
export type GenuineContent = Pick<ReceivedContent, 'headers' | 'raw' | 'decoded' | 'undecodable'>;

/** What the hub is to be told. */
export type DeliveryAnswer =
  | { readonly type: 'acknowledged'; readonly acknowledgement?: Acknowledgement | undefined }
  | { readonly type: 'deleted'; readonly error: Extract<HandlerOutcome, { type: 'deleted' }>['error'] }
  | { readonly type: 'unavailable'; readonly reason: string };

/** What delivery works with. */
export interface DeliveryOptions {
  readonly inbox: Pick<Inbox, 'hold' | 'settle' | 'size'>;
  readonly hooks: Hooks;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly targetOf: (service: string) => DeliveryTarget | undefined;
  readonly entryOf: (subscriptionId: string) => Entry | undefined;
  /** A handler ended the subscription. Does not throw. */
  readonly onDeleted: (subscriptionId: string) => Promise<void>;
}

/** Hands news to handlers: at once where the hub waits for the answer, or from the inbox. */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #abort = new AbortController();
  readonly #hurries = new Set<() => void>();
  readonly #late = new Set<Promise<void>>();
  readonly #whenAnswered: (() => void)[] = [];
  #inHand = 0;

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  /** Whether the service takes no more: its inbox is full. */
  isFull({ name, delivery }: DeliveryTarget): boolean {
    return this.#options.inbox.size(name) >= delivery.maxPending;
  }

  /** Hands over what a hub has just sent. The answer does not wait for a slow handler: the event is stored then. */
  async deliver(
    target: DeliveryTarget,
    entry: Entry,
    grant: GrantRecord,
    content: GenuineContent,
  ): Promise<DeliveryAnswer> {
    this.#inHand += 1;
    try {
      return await this.#deliver(target, entry, grant, content);
    } finally {
      this.#inHand -= 1;
      if (this.#inHand === 0) for (const resolve of this.#whenAnswered.splice(0)) resolve();
    }
  }

  async #deliver(
    target: DeliveryTarget,
    entry: Entry,
    grant: GrantRecord,
    content: GenuineContent,
  ): Promise<DeliveryAnswer> {
    const receivedAt = this.#options.now();
    entry.counters.received(receivedAt);
    const event = this.#message(entry, grant, { ...content, receivedAt, attempt: 1 });
    this.#emit('notification', entry, grant, event);
    const run = runHandler(target.handler, event);
    const outcome = run instanceof Promise ? await this.#unlessSlow(run, target.delivery.ackAfterMs) : run;
    if (outcome !== undefined) this.#count(outcome, entry, grant, event);
    if (outcome?.type === 'done') return { type: 'acknowledged', acknowledgement: outcome.acknowledgement };
    if (outcome?.type === 'deleted') {
      await this.#options.onDeleted(entry.record.id);
      return outcome;
    }
    const stored: StoredEvent = {
      ...content,
      id: event.id,
      service: target.name,
      subscriptionId: entry.record.id,
      grantId: grant.id,
      receivedAt,
      attempts: 0,
      nextAttemptAt: receivedAt,
      errors: [],
    };
    try {
      await this.#options.inbox.hold(stored);
    } catch (error) {
      this.#options.logger.error({ subscription: entry.record.id, err: error }, 'an event cannot be stored: 503');
      return { type: 'unavailable', reason: 'the event could not be stored' };
    }
    if (outcome !== undefined) await this.#options.inbox.settle(stored, outcome);
    else if (run instanceof Promise) this.#follow(run, stored, entry, grant, event);
    return { type: 'acknowledged' };
  }

  /** Runs the handler with an event from the inbox. */
  async redeliver(stored: StoredEvent): Promise<HandlerOutcome> {
    const target = this.#options.targetOf(stored.service);
    const entry = this.#options.entryOf(stored.subscriptionId);
    const grant = entry?.record.grants.find(({ id }) => id === stored.grantId) ?? entry?.record.grants[0];
    if (target === undefined || entry === undefined || grant === undefined) {
      return { type: 'failed', error: new Error(`Service ${stored.service} or its subscription is not there any more`) };
    }
    const event = this.#message(entry, grant, { ...stored, attempt: stored.attempts + 1 });
    const outcome = await runHandler(target.handler, event);
    this.#count(outcome, entry, grant, event);
    if (outcome.type === 'deleted') await this.#options.onDeleted(entry.record.id);
    return outcome;
  }

  /** Tells of an event that is given up. */
  bury(stored: StoredEvent): void {
    const { logger, entryOf } = this.#options;
    const last = stored.errors.at(-1)?.message ?? '';
    logger.error(
      { event: stored.id, subscription: stored.subscriptionId, service: stored.service, attempts: stored.attempts },
      `an event is given up and kept as a dead letter: ${last}`,
    );
    const entry = entryOf(stored.subscriptionId);
    const grant = entry?.record.grants.find(({ id }) => id === stored.grantId) ?? entry?.record.grants[0];
    if (entry === undefined || grant === undefined) return;
    const event = this.#message(entry, grant, { ...stored, attempt: stored.attempts });
    this.#emit('dead-letter', entry, grant, event, new Error(last));
  }

  /** Every hub that still waits is answered as if its handler were slow: the event is in the store then. */
  hurry(): void {
    for (const hurry of this.#hurries) hurry();
  }

  /** Resolves when every hub that delivers has its answer. */
  async answered(): Promise<void> {
    if (this.#inHand > 0) await new Promise<void>((resolve) => void this.#whenAnswered.push(resolve));
  }

  /** Resolves when every handler has ended, also those that hubs were answered before. */
  async settled(): Promise<void> {
    await this.answered();
    while (this.#late.size > 0) await Promise.all(this.#late);
  }

  /** Tells handlers through their signal that nobody waits for them any longer. */
  abort(): void {
    this.#abort.abort();
  }

  async #unlessSlow(run: Promise<HandlerOutcome>, ackAfterMs: number): Promise<HandlerOutcome | undefined> {
    let hurry = (): void => {};
    const slow = new Promise<undefined>((resolve) => {
      hurry = () => resolve(undefined);
    });
    this.#hurries.add(hurry);
    const timer = setTimeout(hurry, ackAfterMs);
    try {
      return await Promise.race([run, slow]);
    } finally {
      clearTimeout(timer);
      this.#hurries.delete(hurry);
    }
  }

  #follow(
    run: Promise<HandlerOutcome>,
    stored: StoredEvent,
    entry: Entry,
    grant: GrantRecord,
    event: ContentDistributionMessage,
  ): void {
    const late = run.then(async (outcome) => {
      this.#count(outcome, entry, grant, event);
      if (outcome.type === 'deleted') await this.#options.onDeleted(stored.subscriptionId);
      await this.#options.inbox.settle(stored, outcome);
      this.#late.delete(late);
    });
    this.#late.add(late);
  }

  #count(outcome: HandlerOutcome, entry: Entry, grant: GrantRecord, event: ContentDistributionMessage): void {
    if (outcome.type !== 'failed') {
      entry.counters.delivered();
      this.#emit('delivered', entry, grant, event);
      return;
    }
    entry.counters.failed();
    this.#options.logger.warn(
      { event: event.id, subscription: entry.record.id, attempt: event.attempt, err: outcome.error },
      'a handler failed: the event is kept and tried again',
    );
    this.#emit('handler-error', entry, grant, event, outcome.error);
  }

  #message(
    entry: Entry,
    grant: GrantRecord,
    content: GenuineContent & { id?: string; receivedAt: number; attempt: number },
  ): ContentDistributionMessage {
    const { record } = entry;
    return new ContentDistributionMessage({
      id: content.id,
      headers: content.headers,
      raw: content.raw,
      decoded: content.decoded,
      undecodable: content.undecodable,
      receivedAt: content.receivedAt,
      attempt: content.attempt,
      signal: this.#abort.signal,
      subscriptionId: record.id,
      subscription: () => subscriptionSnapshot(record, entry.counters.stats()),
      grant: () => grantSnapshot(grant),
    });
  }

  #emit(
    name: HookName,
    entry: Entry,
    grant: GrantRecord,
    event: ContentDistributionMessage,
    error?: Error,
  ): void {
    const payload = (): HookPayload => ({
      subscription: subscriptionSnapshot(entry.record, entry.counters.stats()),
      grant: grantSnapshot(grant),
      event,
      error,
      at: new Date(this.#options.now()),
    });
    this.#options.hooks.emit(name, payload);
  }
}
