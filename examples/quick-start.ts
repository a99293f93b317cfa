// Run it with `npx tsx quick-start.ts`. Set WEBSUB_PUBLIC_URL to the URL under which hubs reach port 9090.
import { type ContentDistributionMessage, startService, SubscriberService } from 'websub-subscriber';

const { FEED = 'https://security.googleblog.com/feeds/posts/default' } = process.env;

@SubscriberService({ target: FEED })
class FeedReader {
  async onEventNotification(event: ContentDistributionMessage): Promise<void> {
    for (const { change, title, url } of await event.entries()) console.log(change, title, url);
  }
}

await startService(FeedReader);
