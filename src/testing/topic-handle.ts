import { deny, reportError } from './notices.js';
import type { HubContext } from './hub-context.js';
import type { HubTopic } from './hub-topic.js';
import type { TopicEntry } from './hub-topics.js';
import type { Distributor } from './topic-options.js';

/** What the user of a hub holds of one of its topics. */
export function createTopicHandle(hub: Distributor, context: HubContext, entry: TopicEntry): HubTopic {
  const { url, resource, faults } = entry;
  return {
    url,
    get self() {
      return resource.self;
    },
    async publish(body, { contentType = resource.contentType, headers = {} } = {}) {
      resource.show(body, contentType);
      const hubs = [hub, ...resource.distributors];
      return (
        await Promise.all(hubs.map((one) => one.distribute(resource.self, body, { contentType, headers })))
      ).flat();
    },
    configure(options) {
      resource.change(options);
      faults.change(options);
    },
    deny(reason = '', options = {}) {
      faults.change({ deny: { reason, ...options } });
      const ended = context.subscriptions.live(resource.self);
      return Promise.all(ended.map((one) => deny(context, one, reason, options)));
    },
    fail: (status, options) => faults.change({ fail: { status, ...options } }),
    redirect: (status, to, options) => faults.change({ redirect: { status, to, ...options } }),
    error(reason = '') {
      const told = context.subscriptions.active(resource.self);
      return Promise.all(told.map((one) => reportError(context, one, reason)));
    },
  };
}
