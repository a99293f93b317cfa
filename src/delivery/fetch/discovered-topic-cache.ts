import type { TopicContent } from '../../hub/discovery/fetch-topic.js';

/** Bytes kept at most, of all subscriptions. */
const MOST_BYTES = 16 * 1024 * 1024;

/** A document read longer ago than this is fetched again, in milliseconds. */
const FRESH_MS = 60_000;

/** The content of a topic, and when it was read. */
interface Read {
  readonly topic: string;
  readonly content: TopicContent;
  readonly at: number;
}

/** Topics that discovery has just read: the first poll of each takes it from here. */
export class JustRead {
  readonly #now: () => number;
  /** By subscription, the oldest first. */
  readonly #read = new Map<string, Read>();
  #bytes = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Keeps a topic for a subscription; older ones make room for it. */
  keep(subscriptionId: string, topic: string, content: TopicContent): void {
    this.drop(subscriptionId);
    if (content.body.byteLength > MOST_BYTES) return;
    for (const oldest of this.#read.keys()) {
      if (this.#bytes + content.body.byteLength <= MOST_BYTES) break;
      this.drop(oldest);
    }
    this.#read.set(subscriptionId, { topic, content, at: this.#now() });
    this.#bytes += content.body.byteLength;
  }

  /** Hands out a topic that was just read, once. */
  take(subscriptionId: string, topic: string): TopicContent | undefined {
    const read = this.drop(subscriptionId);
    const age = this.#now() - (read?.at ?? -Infinity);
    return read?.topic === topic && age >= 0 && age <= FRESH_MS ? read.content : undefined;
  }

  drop(subscriptionId: string): Read | undefined {
    const read = this.#read.get(subscriptionId);
    if (this.#read.delete(subscriptionId)) this.#bytes -= read?.content.body.byteLength ?? 0;
    return read;
  }
}
