/**
 * Answers callbacks as a route of an h3 application. Needs `h3`.
 *
 * Run it with `WEBSUB_PUBLIC_URL=https://… npx tsx h3.ts`
 */
import { H3, serve } from 'h3';
import { type ContentDistributionMessage, startService, SubscriberService } from 'websub-subscriber';

const { FEED = 'https://security.googleblog.com/feeds/posts/default', PORT = '3000' } = process.env;

@SubscriberService({ target: FEED })
class FeedReader {
  onEventNotification(event: ContentDistributionMessage): void {
    console.log(event.contentType, event.text());
  }
}

const runtime = await startService(FeedReader, { manual: true, deferRequests: true, handleSignals: true });

const app = new H3();
app.all('/websub/**', (event) => runtime.fetch(event.req));
app.get('/', () => 'The rest of the application');
// h3 would close its server on a signal, before the hub can verify the unsubscription.
const server = serve(app, { hostname: '127.0.0.1', port: Number(PORT), gracefulShutdown: false });
await server.ready();
// The server listens, so hubs can verify the subscribe requests.
await runtime.begin();
