import { ConfigurationError } from '../../errors.js';
import {
  createFaultLayer,
  mergedFaults,
  countAgainstRateLimit,
  takeFault,
  type CountedFaults,
  type FaultLayer,
} from '../faults/fault-layer.js';
import { createTopicResource, type TopicResource } from './topic-resource.js';
import type { HubFaults } from '../faults/hub-faults.js';
import type { Answer } from '../loopback-server.js';
import type { ReceivedRequest } from '../subscriptions/received-request.js';
import type { RequestKind } from '../faults/request-faults.js';
import type { Distributor, TopicOptions } from './topic-options.js';

/** A topic with its resource and its faults. */
export interface ServedTopic {
  readonly url: string;
  readonly resource: TopicResource;
  readonly faults: FaultLayer;
}

/** The topics of one hub, by path, with the faults in effect for each. */
export class HubTopics {
  readonly #byPath = new Map<string, ServedTopic>();
  readonly #hub: Distributor;
  readonly #hubFaults: FaultLayer;

  constructor(hub: Distributor, hubFaults: FaultLayer) {
    this.#hub = hub;
    this.#hubFaults = hubFaults;
  }

  /**
   * Adds a topic.
   *
   * @throws ConfigurationError when its path is taken, by another topic or by the hub itself
   */
  add(path: string, options: TopicOptions): ServedTopic {
    const url = new URL(path.startsWith('/') ? path : `/${path}`, this.#hub.url);
    const key = url.pathname + url.search;
    if (this.#byPath.has(key) || url.pathname === new URL(this.#hub.url).pathname) {
      throw new ConfigurationError(
        `hub.topic(): the path ${key} is already in use on ${url.origin}. Give each topic its own path.`,
      );
    }
    const resource = createTopicResource(this.#hub, url.href, options);
    const topic = { url: url.href, resource, faults: createFaultLayer(options) };
    this.#byPath.set(key, topic);
    return topic;
  }

  /** Answers a request for a topic, after the delay its faults set. */
  async answer(request: ReceivedRequest, wait: (faults: HubFaults) => Promise<void>): Promise<Answer> {
    const topic = this.#byPath.get(request.path);
    if (!topic) return { status: 404, body: 'This hub has no such topic' };
    await wait(mergedFaults([topic.faults, this.#hubFaults]));
    return topic.resource.answer(request);
  }

  /** Returns the faults of the topic with this topic URL (its `self`). */
  faultsOf(topic: string): HubFaults {
    return mergedFaults(this.#layersOf(topic));
  }

  /** Returns the fault due for a request about the topic, and counts it down. */
  takeFault<Name extends keyof CountedFaults>(
    name: Name,
    topic: string,
    kind: RequestKind,
  ): CountedFaults[Name] | undefined {
    return takeFault(this.#layersOf(topic), name, kind);
  }

  /** Counts a request about the topic. Above the rate limit, returns the seconds to wait. */
  countAgainstRateLimit(topic: string, now: number): number | undefined {
    return countAgainstRateLimit(this.#layersOf(topic), now);
  }

  #layersOf(topic: string): FaultLayer[] {
    for (const { resource, faults } of this.#byPath.values()) {
      if (resource.self === topic) return [faults, this.#hubFaults];
    }
    return [this.#hubFaults];
  }
}
