import { DENY, FAILURE, REDIRECT } from '../faults/fault-checks.js';
import { PUBLISH, TOPIC } from '../checks/hub-checks.js';
import { deny, reportError } from '../delivery/notices.js';
import { checkOptions } from '../checks/option-checks.js';
import type { HubContext } from '../hub-context.js';
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
    async publish(body, options = {}) {
      checkOptions('topic.publish()', options, PUBLISH);
      const { contentType = resource.contentType, headers = {} } = options;
      resource.show(body, contentType);
      const hubs = [hub, ...resource.distributors];
      return (
        await Promise.all(hubs.map((one) => one.distribute(resource.self, body, { contentType, headers })))
      ).flat();
    },
    configure(options) {
      checkOptions('topic.configure()', options, TOPIC);
      resource.change(options);
      faults.change(options);
    },
    async deny(reason = '', options = {}) {
      checkOptions('topic.deny()', options, DENY);
      faults.change({ deny: { reason, ...options } });
      const ended = context.subscriptions.live(resource.self);
      return Promise.all(ended.map((one) => deny(context, one, reason, options)));
    },
    fail(status, options) {
      const fail = { status, ...options };
      checkOptions('topic.fail()', fail, FAILURE, { required: ['status'] });
      faults.change({ fail });
    },
    redirect(status, to, options) {
      const redirect = { status, to, ...options };
      checkOptions('topic.redirect()', redirect, REDIRECT, { required: ['status', 'to'] });
      faults.change({ redirect });
    },
    error(reason = '') {
      const told = context.subscriptions.active(resource.self);
      return Promise.all(told.map((one) => reportError(context, one, reason)));
    },
  };
}
