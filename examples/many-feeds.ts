/**
 * Several feeds of one service. Each feed is a subscription of its own.
 *
 * Run it with `npx tsx many-feeds.ts`
 */
import { type ContentDistributionMessage, startService, SubscriberService } from 'websub-subscriber';

const { FEEDS = 'https://security.googleblog.com/feeds/posts/default https://blog.chromium.org/feeds/posts/default' } =
  process.env;

@SubscriberService({ targets: FEEDS.split(' ') })
class FeedReader {
  async onEventNotification(event: ContentDistributionMessage): Promise<void> {
    // `target` is the URL above. The topic may differ: it is the URL that the feed gives itself.
    const { target } = event.subscription;
    for (const { change, title } of await event.entries()) console.log(target, change, title);
  }
}

await startService(FeedReader);
