import type { TopicContent } from '../../hub/discovery/fetch-topic.js';

/** Maximum bytes in the cache, over all subscriptions. */
const MAX_BYTES = 16 * 1024 * 1024;

/** Maximum age of a cached document, in milliseconds. An older one is fetched again. */
const MAX_AGE_MS = 60_000;

/** The content of a topic and the time it was read, in epoch milliseconds. */
interface CachedTopic {
  readonly topic: string;
  readonly content: TopicContent;
  readonly readAt: number;
}

/** Topics that discovery has just read. The first poll of a subscription uses them instead of a fetch. */
export class DiscoveredTopicCache {
  readonly #now: () => number;
  /** Cached topics by subscription id, in the order they were read. */
  readonly #topics = new Map<string, CachedTopic>();
  #bytes = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Adds a topic for a subscription. Topics that are too old are dropped, and the oldest ones if there is no room. */
  add(subscriptionId: string, topic: string, content: TopicContent): void {
    this.drop(subscriptionId);
    if (content.body.byteLength > MAX_BYTES) return;
    for (const [oldest, { readAt }] of this.#topics) {
      const isRecent = this.#now() - readAt <= MAX_AGE_MS;
      if (isRecent && this.#bytes + content.body.byteLength <= MAX_BYTES) break;
      this.drop(oldest);
    }
    this.#topics.set(subscriptionId, { topic, content, readAt: this.#now() });
    this.#bytes += content.body.byteLength;
  }

  /** Removes and returns the content of a topic; undefined if it is absent, too old, or of another topic. */
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
