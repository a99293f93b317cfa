/**
 * Answers callbacks on the server of a Fastify application. Needs `fastify`.
 *
 * Run it with `WEBSUB_PUBLIC_URL=https://… npx tsx fastify.ts`
 */
import { fastify } from 'fastify';
import { type ContentDistributionMessage, startService, SubscriberService } from 'websub-subscriber';

const { FEED = 'https://security.googleblog.com/feeds/posts/default', PORT = '3000' } = process.env;

@SubscriberService({ target: FEED })
class FeedReader {
  onEventNotification(event: ContentDistributionMessage): void {
    console.log(event.contentType, event.text());
  }
}

const app = fastify();
app.get('/', () => 'The rest of the application');

// On the server itself, not as a route: Fastify would parse the body.
const runtime = await startService(FeedReader, { server: app.server, handleSignals: true });
// Stop before `app.close()`: the hub verifies the unsubscription while the server still listens.
app.addHook('preClose', () => runtime.stop());
await app.listen({ host: '127.0.0.1', port: Number(PORT) });
