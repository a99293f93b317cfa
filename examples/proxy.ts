/**
 * A service behind a reverse proxy that serves https://example.com/hooks. In nginx:
 * `location /hooks/ { proxy_pass http://127.0.0.1:9090/; }`
 *
 * Run it with `WEBSUB_PUBLIC_URL=https://example.com/hooks npx tsx proxy.ts`
 */
import { type ContentDistributionMessage, startService, SubscriberService } from 'websub-subscriber';

const { FEED = 'https://security.googleblog.com/feeds/posts/default' } = process.env;
const { WEBSUB_PUBLIC_URL = 'https://example.com/hooks' } = process.env;

@SubscriberService({ target: FEED })
class FeedReader {
  async onEventNotification(event: ContentDistributionMessage): Promise<void> {
    for (const { change, title, url } of await event.entries()) console.log(change, title, url);
  }
}

await startService(FeedReader, {
  // Callbacks are https://example.com/hooks/websub/<token>. The proxy may strip the prefix /hooks, as above, or keep it.
  publicUrl: WEBSUB_PUBLIC_URL,
  // Only the proxy on this machine can connect.
  host: '127.0.0.1',
});
