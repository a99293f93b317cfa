/**
 * A service on a laptop, which hubs reach through a tunnel. Needs `@ngrok/ngrok` and a token from dashboard.ngrok.com.
 *
 * Run it with `NGROK_AUTHTOKEN=… npx tsx tunnel.ts`
 */
import { forward } from '@ngrok/ngrok';
import { type ContentDistributionMessage, startService, SubscriberService } from 'websub-subscriber';

const { FEED = 'https://security.googleblog.com/feeds/posts/default' } = process.env;

@SubscriberService({ target: FEED })
class FeedReader {
  async onEventNotification(event: ContentDistributionMessage): Promise<void> {
    for (const { change, title, url } of await event.entries()) console.log(change, title, url);
  }
}

const runtime = await startService(FeedReader, {
  // Called once the service listens, with its local address: http://localhost:9090.
  async tunnel(address) {
    const listener = await forward({ addr: address, authtoken_from_env: true });
    const url = listener.url();
    if (url === null) throw new Error('ngrok gave no URL');
    // The runtime closes the tunnel when it stops, after it has unsubscribed.
    return { url, close: () => listener.close() };
  },
});
console.log(`Hubs reach this service at ${runtime.url}`);
