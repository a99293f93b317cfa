import { DENY_OPTIONS, FAILURE_OPTIONS, REDIRECT_OPTIONS } from '../faults/fault-checks.js';
import { PUBLISH_OPTIONS, TOPIC_OPTIONS } from '../checks/hub-checks.js';
import { deny, reportError } from '../delivery/notices.js';
import { checkOptions } from '../checks/option-checks.js';
import type { HubContext } from '../hub-context.js';
import type { ServedTopic } from './hub-topics.js';
import type { Delivery } from '../delivery/delivery.js';
import type { DenyOptions, RequestFailure, RequestRedirect } from '../faults/request-faults.js';
import type { Distributor, PublishOptions, TopicOptions } from './topic-options.js';

/** A resource that its publisher keeps subscribers informed of. */
export interface HubTopic {
  /** Where it is served. */
  readonly url: string;
  /** The topic URL that subscribers are to ask for: `url`, unless the option `self` says otherwise. */
  readonly self: string;
  /**
   * Publishes: a GET shows the new body from now on, and it is sent, byte for byte, to every subscriber that is verified and
   * within its lease. Resolves with what became of each.
   */
  publish(body: string | Uint8Array, options?: PublishOptions): Promise<Delivery[]>;
  /** Changes any option; one given as `undefined` is back at its default. */
  configure(options: TopicOptions): void;
  /**
   * Denies this topic's subscriptions and those asked for from now on. A denial ends a subscription; with `keep` an active one
   * stays active.
   */
  deny(reason?: string, options?: DenyOptions): Promise<Delivery[]>;
  /** Answers requests for this topic with a status instead of serving them; `'reset'` cuts the connection. */
  fail(status: RequestFailure['status'], options?: Omit<RequestFailure, 'status'>): void;
  /** Redirects requests for this topic. */
  redirect(status: RequestRedirect['status'], to: string, options?: Omit<RequestRedirect, 'status' | 'to'>): void;
  /** Sends `hub.mode=hub-error` to this topic's subscribers. */
  error(reason?: string): Promise<Delivery[]>;
}

/** The handle by which a test uses one topic of a hub. */
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
      const hubs = [hub, ...resource.distributors];
      return (
        await Promise.all(hubs.map((one) => one.distribute(resource.self, body, { contentType, headers })))
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
      const ended = context.subscriptions.live(resource.self);
      return Promise.all(ended.map((one) => deny(context, one, reason, options)));
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
      const told = context.subscriptions.active(resource.self);
      return Promise.all(told.map((one) => reportError(context, one, reason)));
    },
  };
}
