/** Callbacks as a route of an h3 application. Needs `h3` and WEBSUB_PUBLIC_URL: `node --import tsx h3.ts` */
import { H3, serve } from 'h3';
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

const app = new H3();
app.all('/websub/**', (event) => runtime.fetch(event.req));
app.get('/', () => 'The rest of the application');
// h3 would close its server on a signal, before the hub can verify the unsubscription.
const server = serve(app, { hostname: '127.0.0.1', port: Number(PORT), gracefulShutdown: false });
await server.ready();
// The server answers now, so the runtime may send its requests to hubs.
await runtime.begin();
