import type { TopicContent } from '../../hub/discovery/fetch-topic.js';
import type { OutboundLogLine } from '../../hub/outbound-log.js';
import type { SubscriptionRecord } from '../../subscription/record/record.js';

/** Why a topic is fetched. */
export type FetchPurpose = 'catch-up' | 'poll' | 'ping';

/** The debug log line for a topic fetch. It includes `url` if another URL is read instead of the topic's. */
export function fetchLine(
  { id, service }: SubscriptionRecord,
  { purpose, url, topic }: { readonly purpose: FetchPurpose; readonly url: string; readonly topic: string },
): OutboundLogLine<TopicContent | undefined> {
  return {
    event: 'topic-fetch.ended',
    fields: (content) => ({
      subscription: id,
      service,
      topic,
      purpose,
      ...(url === topic ? {} : { url }),
      bytes: content?.body.byteLength,
    }),
  };
}
