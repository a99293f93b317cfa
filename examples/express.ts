/**
 * Answers callbacks on the server of an Express application. Needs `express`.
 *
 * Run it with `WEBSUB_PUBLIC_URL=https://… npx tsx express.ts`
 */
import { createServer } from 'node:http';
import express from 'express';
import { type ContentDistributionMessage, startService, SubscriberService } from 'websub-subscriber';

const { FEED = 'https://security.googleblog.com/feeds/posts/default', PORT = '3000' } = process.env;

@SubscriberService({ target: FEED })
class FeedReader {
  onEventNotification(event: ContentDistributionMessage): void {
    console.log(event.contentType, event.text());
  }
}

const app = express();
app.use(express.json());
app.get('/', (_request, response) => void response.send('The rest of the application'));

const server = createServer(app);
// Start before the server listens: subscribe requests wait until it does. Callbacks do not reach the middleware, so no
// body parser consumes their bytes.
await startService(FeedReader, { server, handleSignals: true });
server.listen(Number(PORT), '127.0.0.1');
