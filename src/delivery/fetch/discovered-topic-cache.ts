import type { TopicContent } from '../../hub/discovery/fetch-topic.js';

/** Bytes kept at most, of all subscriptions. */
const MAX_BYTES = 16 * 1024 * 1024;

/** A document read longer ago than this is fetched again, in milliseconds. */
const MAX_AGE_MS = 60_000;

/** The content of a topic, and when it was read. */
interface CachedTopic {
  readonly topic: string;
  readonly content: TopicContent;
  readonly readAt: number;
}

/** Topics that discovery has just read: the first poll of each takes it from here. */
export class DiscoveredTopicCache {
  readonly #now: () => number;
  /** By subscription, the oldest first. */
  readonly #topics = new Map<string, CachedTopic>();
  #bytes = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Keeps a topic for a subscription; older ones make room for it. */
  add(subscriptionId: string, topic: string, content: TopicContent): void {
    this.drop(subscriptionId);
    if (content.body.byteLength > MAX_BYTES) return;
    for (const oldest of this.#topics.keys()) {
      if (this.#bytes + content.body.byteLength <= MAX_BYTES) break;
      this.drop(oldest);
    }
    this.#topics.set(subscriptionId, { topic, content, readAt: this.#now() });
    this.#bytes += content.body.byteLength;
  }

  /** Hands out a topic that was just read, once. */
  take(subscriptionId: string, topic: string): TopicContent | undefined {
    const cached = this.drop(subscriptionId);
    const age = this.#now() - (cached?.readAt ?? -Infinity);
    return cached?.topic === topic && age >= 0 && age <= MAX_AGE_MS ? cached.content : undefined;
  }

  drop(subscriptionId: string): CachedTopic | undefined {
    const cached = this.#topics.get(subscriptionId);
    if (this.#topics.delete(subscriptionId)) this.#bytes -= cached?.content.body.byteLength ?? 0;
    return cached;
  }
}
