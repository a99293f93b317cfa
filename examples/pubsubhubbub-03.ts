/**
 * Subscribes at a PubSubHubbub 0.3 hub that requires a user name and a password.
 *
 * Run it with `HUB_USER=… HUB_PASSWORD=… npx tsx pubsubhubbub-03.ts`
 */
import { type ContentDistributionMessage, startService, SubscriberService } from 'websub-subscriber';

const { HUB = 'https://push.superfeedr.com/', HUB_USER = 'nobody', HUB_PASSWORD = 'none' } = process.env;
const { FEED = 'https://security.googleblog.com/feeds/posts/default' } = process.env;

@SubscriberService({
  target: { hub: HUB, topic: FEED },
  protocol: 'pubsubhubbub-0.3',
  // With this protocol, no secret is sent by default, because many 0.3 hubs do not sign their deliveries.
  secret: 'auto',
  httpConfig: { auth: { username: HUB_USER, password: HUB_PASSWORD } },
})
class FeedReader {
  async onEventNotification(event: ContentDistributionMessage): Promise<void> {
    for (const { change, title, url } of await event.entries()) console.log(change, title, url);
  }
}

await startService(FeedReader);
