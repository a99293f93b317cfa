/**
 * Prints each entry once, even if the hub delivers it again.
 *
 * Run it with `npx tsx duplicates.ts`
 */
import { type ContentDistributionMessage, startService, SubscriberService } from 'websub-subscriber';

const { FEED = 'https://security.googleblog.com/feeds/posts/default' } = process.env;

// A delivery without a new or updated entry is dropped: the handler does not run.
@SubscriberService({ target: FEED, delivery: { dedupe: 'entries' } })
class FeedReader {
  async onEventNotification(event: ContentDistributionMessage): Promise<void> {
    for (const { change, id, title } of await event.entries()) {
      // Many hubs deliver the whole feed: one new entry, and older ones that the handler has already processed.
      if (change === 'unchanged') continue;
      // If the process is killed here, the hub may send the entry again. Use the entry's id as the key of your write.
      console.log(`${change}: ${title} (${id})`);
    }
  }
}

await startService(FeedReader);
