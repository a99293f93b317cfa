/**
 * Answers callbacks as a route of a Hono application. Needs `hono` and `@hono/node-server`.
 *
 * Run it with `WEBSUB_PUBLIC_URL=https://… npx tsx hono.ts`
 */
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { type ContentDistributionMessage, startService, SubscriberService } from 'websub-subscriber';

const { FEED = 'https://security.googleblog.com/feeds/posts/default', PORT = '3000' } = process.env;

@SubscriberService({ target: FEED })
class FeedReader {
  onEventNotification(event: ContentDistributionMessage): void {
    console.log(event.contentType, event.text());
  }
}

const runtime = await startService(FeedReader, { manual: true, deferRequests: true, handleSignals: true });

const app = new Hono();
app.all('/websub/*', (context) => runtime.fetch(context.req.raw));
app.get('/', (context) => context.text('The rest of the application'));
// Once the server listens, hubs can verify the subscribe requests.
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(PORT) }, () => void runtime.begin());
