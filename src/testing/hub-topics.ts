import { ConfigurationError } from '../errors.js';
import { createFaultLayer, delayOf, mergedFaults, takeFailure, type FaultLayer } from './fault-layer.js';
import { createTopicResource, type TopicResource } from './topic-resource.js';
import type { HubFaults, RequestFailure } from './hub-faults.js';
import type { Answer } from './loopback-server.js';
import type { ReceivedRequest } from './received-request.js';
import type { Distributor, TopicOptions } from './topic-options.js';

/** A topic with its document and its faults. */
export interface TopicEntry {
  readonly url: string;
  readonly resource: TopicResource;
  readonly faults: FaultLayer;
}

/** The topics one hub serves, by path, and the faults in force for each. */
export class HubTopics {
  readonly #byPath = new Map<string, TopicEntry>();
  readonly #hub: Distributor;
  readonly #hubFaults: FaultLayer;

  constructor(hub: Distributor, hubFaults: FaultLayer) {
    this.#hub = hub;
    this.#hubFaults = hubFaults;
  }

  /** Adds a topic. Throws `ConfigurationError` when its path is taken, by another topic or by the hub itself. */
  add(path: string, options: TopicOptions): TopicEntry {
    const url = new URL(path.startsWith('/') ? path : `/${path}`, this.#hub.url);
    const key = url.pathname + url.search;
    if (this.#byPath.has(key) || url.pathname === new URL(this.#hub.url).pathname) {
      throw new ConfigurationError(`The path ${key} is taken on ${url.origin}: give each topic a path of its own`);
    }
    const resource = createTopicResource(this.#hub, url.href, options);
    const entry = { url: url.href, resource, faults: createFaultLayer(options) };
    this.#byPath.set(key, entry);
    return entry;
  }

  /** Answers a request for a topic. */
  async answer(request: ReceivedRequest, pause: (milliseconds: number) => Promise<void>): Promise<Answer> {
    const topic = this.#byPath.get(request.path);
    if (!topic) return { status: 404, body: 'There is no such topic here' };
    await pause(delayOf(mergedFaults([topic.faults, this.#hubFaults]), 'topic'));
    return topic.resource.answer(request);
  }

  /** The faults for the topic that subscribers ask for by this URL. */
  faultsOf(topic: string): HubFaults {
    return mergedFaults(this.#layersOf(topic));
  }

  /** The failure due for a request about the topic, counted down. */
  takeFailure(topic: string): RequestFailure | undefined {
    return takeFailure(this.#layersOf(topic));
  }

  #layersOf(topic: string): FaultLayer[] {
    const own = [...this.#byPath.values()].find(({ resource }) => resource.self === topic);
    return own ? [own.faults, this.#hubFaults] : [this.#hubFaults];
  }
}
