/**
 * Subscribes at every hub that the feed names, not only at the first one. If one hub fails, the others still deliver.
 *
 * Run it with `npx tsx many-hubs.ts`
 */
import {
  type ContentDistributionMessage,
  startService,
  SubscriberService,
  type SubscriptionVerification,
} from 'websub-subscriber';

const { FEED = 'https://security.googleblog.com/feeds/posts/default' } = process.env;

// Every hub delivers every entry. With `hubs: 'all'`, `delivery.dedupe` is 'entries' by default: the first delivery
// reaches the handler, and deliveries without a new or updated entry are dropped.
@SubscriberService({ target: FEED, hubs: 'all' })
class FeedReader {
  onSubscriptionVerification({ grant }: SubscriptionVerification): void {
    console.log(`${grant.hub} verifies the subscription`);
  }

  async onEventNotification(event: ContentDistributionMessage): Promise<void> {
    for (const { change, title } of await event.entries()) {
      if (change !== 'unchanged') console.log(`${change}: ${title}, from ${event.grant.hub}`);
    }
  }
}

await startService(FeedReader);
