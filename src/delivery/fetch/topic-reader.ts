import { fetchTopic, type TopicContent, type Validators } from '../../hub/discovery/fetch-topic.js';
import type { OriginConcurrencyLimiter } from '../../hub/pacing/origin-concurrency-limiter.js';
import type { WithheldCredentials } from '../../hub/redaction/withheld-credentials.js';
import { withDebugLog } from '../../hub/outbound-log.js';
import { isSameTopic } from '../../protocol/hub-query.js';
import { publisherRetryAt, publisherRetryAfterOf } from '../../subscription/machine/rules/publisher-retry-after.js';
import type { GrantRecord, SubscriptionRecord } from '../../subscription/record/record.js';
import type { Registry } from '../../subscription/registry/registry.js';
import type { DeliveryContext } from '../delivery-context.js';
import { fetchLine, type FetchPurpose } from './fetch-line.js';
import { PublisherRetryAfterError } from './publisher-retry-after-error.js';
import type { ReceivedContent } from '../message/received-content.js';
import { isFeed, isHtml, isUnreadable } from './readable-topic.js';

/** The parts that topics are read with. */
export interface ReaderParts {
  /** Request slots by origin (PROTOCOL L5). */
  readonly concurrencyLimiter: Pick<OriginConcurrencyLimiter, 'run'>;
  readonly withheld: Pick<WithheldCredentials, 'warn'>;
  readonly registry: Pick<Registry, 'get' | 'apply'>;
}

/** A read of a topic, with the validators of the last fetch. */
interface Reading {
  readonly record: SubscriptionRecord;
  readonly topic: string;
  readonly purpose: FetchPurpose;
  readonly known?: Validators | undefined;
}

/** Fetches topics, paced by origin. */
export class TopicReader {
  readonly #context: DeliveryContext;
  readonly #parts: ReaderParts;

  constructor(context: DeliveryContext, parts: ReaderParts) {
    this.#context = context;
    this.#parts = parts;
  }

  /**
   * Reads the topic. Reads the target instead if it is a feed, and the topic is unreadable or an HTML page (PROTOCOL
   * D14).
   *
   * @param purpose for the debug log line
   * @param known validators of the last fetch
   * @returns undefined if the content has not changed
   * @throws PublisherRetryAfterError while the publisher's `Retry-After` lasts
   * @throws ResourceDiscoveryFailedError when the content cannot be fetched
   */
  async read(
    record: SubscriptionRecord,
    { topic }: GrantRecord,
    purpose: FetchPurpose,
    known?: Validators,
  ): Promise<TopicContent | undefined> {
    const { target, topicSource } = record;
    const reading = { record, topic, purpose, known };
    if (topicSource?.topic === topic) return this.#readAt(topicSource.url, reading);
    if (typeof target !== 'string' || isSameTopic(target, topic)) return this.#readAt(topic, reading);
    let page: TopicContent;
    try {
      const content = await this.#readAt(topic, reading);
      if (content === undefined || !isHtml(content)) return content;
      page = content;
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      const feed = await this.#readTargetFeed(target, reading);
      if (feed === undefined) throw error;
      return feed;
    }
    return (await this.#readTargetFeed(target, reading)) ?? page;
  }

  /** Fetches the content that a thin ping announces. Resolves to the error if that fails. */
  async readPingContent(record: SubscriptionRecord, grant: GrantRecord): Promise<ReceivedContent | Error> {
    try {
      const content = await this.read(record, grant, 'ping');
      return { headers: content?.headers ?? [], raw: content?.body ?? new Uint8Array(), url: content?.url };
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  /**
   * Returns the target's content if it is a feed. Stores which of the two URLs is read from now on. A temporary
   * failure decides nothing and is thrown.
   */
  async #readTargetFeed(target: string, { record, topic, purpose }: Reading): Promise<TopicContent | undefined> {
    let content: TopicContent | undefined;
    try {
      content = await this.#readAt(target, { record, topic, purpose });
    } catch (error) {
      if (!isUnreadable(error)) throw error;
    }
    const feed = content !== undefined && isFeed(content) ? content : undefined;
    const source = { topic, url: feed === undefined ? topic : target };
    await this.#parts.registry.apply(record.id, { type: 'topic-source', source });
    return feed;
  }

  async #readAt(url: string, { record, topic, purpose, known }: Reading): Promise<TopicContent | undefined> {
    const { services, logger, now, maxBodyBytes: maxBytes, closing } = this.#context;
    const { concurrencyLimiter, withheld, registry } = this.#parts;
    const { signal } = closing;
    const { id, service, target } = record;
    const policy = services.policyOf(service);
    if (policy === undefined) throw new Error(`Service "${service}" is not running in this runtime.`);
    const { discoveryConfig: config, allowPrivateNetworks } = policy;
    const configuredUrl = typeof target === 'string' ? target : target.topic;
    const onWithheld = (requestedUrl: string): void => withheld.warn(service, requestedUrl, configuredUrl);
    const isKnown = (known?.url ?? topic) === url;
    const request = { config, configuredUrl, allowPrivateNetworks, maxBytes, onWithheld, signal, now };
    let content: TopicContent | undefined;
    let hasStarted = false;
    await concurrencyLimiter.run(url, async () => {
      hasStarted = true;
      // Another read may have received a `Retry-After` meanwhile.
      const until = publisherRetryAt(registry.get(id)?.record ?? record, url, now());
      if (until !== undefined) throw new PublisherRetryAfterError(retryAfterMessage(url, until), until);
      try {
        const line = fetchLine(record, { purpose, url, topic });
        content = await withDebugLog(logger, line, (onAnswer) =>
          fetchTopic(url, { ...request, onAnswer, ...(isKnown ? { known } : {}) }),
        );
      } catch (error) {
        const retryAfter = publisherRetryAfterOf(error, url, now());
        if (retryAfter === undefined) throw error;
        await registry.apply(id, { type: 'publisher-retry-after', retryAfter });
        throw new PublisherRetryAfterError(
          error instanceof Error ? error.message : String(error),
          retryAfter.until,
          error,
        );
      }
    });
    if (!hasStarted) throw new Error('The topic was not fetched, because the runtime is stopping.');
    if (content === undefined || url === topic) return content;
    return { ...content, validators: { ...content.validators, url } };
  }
}

function retryAfterMessage(url: string, until: number): string {
  return `${url} is not fetched before ${new Date(until).toISOString()}, because it sent Retry-After.`;
}
