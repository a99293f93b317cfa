/** Callbacks inside a Hono application: `node --import @oxc-node/core/register examples/hono.ts` */
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { type ContentDistributionMessage, startService, SubscriberService } from 'websub-subscriber';

const { FEED = 'https://security.googleblog.com/feeds/posts/default', PORT = '3000' } = process.env;
const { WEBSUB_PUBLIC_URL = `http://localhost:${PORT}` } = process.env;

@SubscriberService({ target: FEED })
class News {
  onEventNotification(event: ContentDistributionMessage): void {
    console.log(event.text());
  }
}

const runtime = await startService(News, {
  manual: true,
  publicUrl: WEBSUB_PUBLIC_URL,
  store: 'lmdb://.websub/hono',
  handleSignals: true,
});

const app = new Hono();
app.all('/websub/*', (context) => runtime.fetch(context.req.raw));
app.get('/', (context) => context.text('The rest of the application'));
serve({ fetch: app.fetch, port: Number(PORT) });
