import { DENY_OPTIONS, FAILURE_OPTIONS, REDIRECT_OPTIONS } from '../faults/fault-checks.js';
import { PUBLISH_OPTIONS, TOPIC_OPTIONS } from '../checks/hub-checks.js';
import { deny, reportError } from '../delivery/notices.js';
import { checkOptions } from '../checks/option-checks.js';
import type { HubContext } from '../hub-context.js';
import type { ServedTopic } from './hub-topics.js';
import type { Delivery } from '../delivery/delivery.js';
import type { DenyOptions, RequestFailure, RequestRedirect } from '../faults/request-faults.js';
import type { Distributor, PublishOptions, TopicOptions } from './topic-options.js';

/**
 * A topic of a test hub: its resource, its content and its faults.
 *
 * @example
 * const topic = hub.topic('/feed');
 * await hub.verified(topic);
 * const [delivery] = await topic.publish('second');
 */
export interface HubTopic {
  /** The URL the resource is served at. */
  readonly url: string;
  /** The topic URL that subscribers must subscribe to: `url`, unless the option `self` changes it. */
  readonly self: string;
  /**
   * Publishes content. From now on a GET returns the new body. The hub sends the same bytes to every active subscriber.
   * Resolves with one delivery per subscriber.
   */
  publish(body: string | Uint8Array, options?: PublishOptions): Promise<Delivery[]>;
  /** Changes any options of the topic. A field set to `undefined` returns to its default. */
  configure(options: TopicOptions): void;
  /**
   * Denies this topic's subscriptions, and all subscription requests from now on. A denial ends a subscription; with
   * `keep`, an active one stays active.
   */
  deny(reason?: string, options?: DenyOptions): Promise<Delivery[]>;
  /**
   * Answers subscription requests for this topic with a status instead of serving them; `'reset'` cuts the connection.
   */
  fail(status: RequestFailure['status'], options?: Omit<RequestFailure, 'status'>): void;
  /** Redirects subscription requests for this topic. */
  redirect(status: RequestRedirect['status'], to: string, options?: Omit<RequestRedirect, 'status' | 'to'>): void;
  /** Sends `hub.mode=hub-error` to this topic's active subscribers. */
  error(reason?: string): Promise<Delivery[]>;
}

/** Creates the handle that a test uses for one topic of a hub. */
export function createTopicHandle(hub: Distributor, context: HubContext, topic: ServedTopic): HubTopic {
  const { url, resource, faults } = topic;
  return {
    url,
    get self() {
      return resource.self;
    },
    async publish(body, options = {}) {
      checkOptions('topic.publish()', options, PUBLISH_OPTIONS);
      const { contentType = resource.contentType, headers = {} } = options;
      resource.show(body, contentType);
      const distributors = [hub, ...resource.distributors];
      return (
        await Promise.all(
          distributors.map((distributor) => distributor.distribute(resource.self, body, { contentType, headers })),
        )
      ).flat();
    },
    configure(options) {
      checkOptions('topic.configure()', options, TOPIC_OPTIONS);
      resource.change(options);
      faults.change(options);
    },
    async deny(reason = '', options = {}) {
      checkOptions('topic.deny()', options, DENY_OPTIONS);
      faults.change({ deny: { reason, ...options } });
      const subscriptions = context.subscriptions.live(resource.self);
      return Promise.all(subscriptions.map((subscription) => deny(context, subscription, reason, options)));
    },
    fail(status, options) {
      const fail = { status, ...options };
      checkOptions('topic.fail()', fail, FAILURE_OPTIONS, { required: ['status'] });
      faults.change({ fail });
    },
    redirect(status, to, options) {
      const redirect = { status, to, ...options };
      checkOptions('topic.redirect()', redirect, REDIRECT_OPTIONS, { required: ['status', 'to'] });
      faults.change({ redirect });
    },
    error(reason = '') {
      const subscribers = context.subscriptions.active(resource.self);
      return Promise.all(subscribers.map((subscriber) => reportError(context, subscriber, reason)));
    },
  };
}
