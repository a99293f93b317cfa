/** Callbacks on the server of a Fastify application. Needs `fastify` and WEBSUB_PUBLIC_URL: `node --import tsx fastify.ts` */
import { fastify } from 'fastify';
import { type ContentDistributionMessage, startService, SubscriberService } from 'websub-subscriber';

const { FEED = 'https://security.googleblog.com/feeds/posts/default', PORT = '3000' } = process.env;
const { WEBSUB_PUBLIC_URL = `http://localhost:${PORT}` } = process.env;

@SubscriberService({ target: FEED })
class News {
  onEventNotification(event: ContentDistributionMessage): void {
    console.log(event.contentType, event.text());
  }
}

const app = fastify();
app.get('/', () => 'The rest of the application');

// A Fastify route would answer 415 to XML and parse JSON. On the server itself, callbacks keep their bytes.
const runtime = await startService(News, { server: app.server, publicUrl: WEBSUB_PUBLIC_URL, handleSignals: true });
// Stop before `app.close()`: the hub verifies the unsubscription while the server still listens.
app.addHook('preClose', () => runtime.stop());
await app.listen({ host: '127.0.0.1', port: Number(PORT) });
