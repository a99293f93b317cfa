/**
 * Callbacks as a route of a Hono application. Needs `hono`, `@hono/node-server` and WEBSUB_PUBLIC_URL:
 * `node --import tsx hono.ts`
 */
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { type ContentDistributionMessage, startService, SubscriberService } from 'websub-subscriber';

const { FEED = 'https://security.googleblog.com/feeds/posts/default', PORT = '3000' } = process.env;
const { WEBSUB_PUBLIC_URL = `http://localhost:${PORT}` } = process.env;

@SubscriberService({ target: FEED })
class News {
  onEventNotification(event: ContentDistributionMessage): void {
    console.log(event.contentType, event.text());
  }
}

const runtime = await startService(News, {
  manual: true,
  deferRequests: true,
  publicUrl: WEBSUB_PUBLIC_URL,
  handleSignals: true,
});

const app = new Hono();
app.all('/websub/*', (context) => runtime.fetch(context.req.raw));
app.get('/', (context) => context.text('The rest of the application'));
// The server answers now, so the runtime may send its requests to hubs.
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(PORT) }, () => void runtime.begin());
