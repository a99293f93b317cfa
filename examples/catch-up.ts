/**
 * Receives entries that the hub did not deliver: while the service was down, or because the hub failed.
 *
 * Run it with `npx tsx catch-up.ts`
 */
import { type ContentDistributionMessage, startService, SubscriberService } from 'websub-subscriber';

const { FEED = 'https://security.googleblog.com/feeds/posts/default', POLL_SECONDS = '3600' } = process.env;

@SubscriberService({
  target: FEED,
  delivery: {
    // Fetches the feed after a gap, for example after a restart. This is the default.
    catchUp: true,
    // Also fetches the feed once an hour, in case the hub is silent.
    pollSeconds: Number(POLL_SECONDS),
  },
})
class FeedReader {
  async onEventNotification(event: ContentDistributionMessage): Promise<void> {
    for (const { change, title } of await event.entries()) {
      // `source` is 'hub', 'catch-up' or 'poll'.
      if (change !== 'unchanged') console.log(`${change}: ${title}, found by ${event.source}`);
    }
  }
}

await startService(FeedReader);
