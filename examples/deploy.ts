/**
 * Keeps its subscriptions across deploys: SIGTERM stops the process, and the next one uses the same callbacks.
 *
 * Run it with `WEBSUB_PUBLIC_URL=https://… WEBSUB_STORE=lmdb:///var/lib/websub npx tsx deploy.ts`
 */
import { type ContentDistributionMessage, startService, SubscriberService } from 'websub-subscriber';

const { FEED = 'https://security.googleblog.com/feeds/posts/default' } = process.env;

// SIGTERM waits for running handlers and does not unsubscribe. Entries published while no process runs arrive later: the
// hub retries, or the next start finds them in the feed.
@SubscriberService({ target: FEED, unsubscribeOnShutdown: false })
class FeedReader {
  async onEventNotification(event: ContentDistributionMessage): Promise<void> {
    for (const { change, title, url } of await event.entries()) console.log(change, title, url);
  }
}

// The subscriptions are in the store. One process owns it: in a rolling deploy, the new process waits for the old one
// to stop.
const runtime = await startService(FeedReader, { waitForStoreSeconds: 60 });

// Rejects with the reasons if a subscription is not active in time. The process then ends with exit code 1.
await runtime.ready({ timeoutMs: 60_000 });
console.log('ready');
