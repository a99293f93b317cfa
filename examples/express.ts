/** Callbacks on the server of an Express application. Needs `express` and WEBSUB_PUBLIC_URL: `node --import tsx express.ts` */
import { createServer } from 'node:http';
import express from 'express';
import { type ContentDistributionMessage, startService, SubscriberService } from 'websub-subscriber';

const { FEED = 'https://security.googleblog.com/feeds/posts/default', PORT = '3000' } = process.env;
const { WEBSUB_PUBLIC_URL = `http://localhost:${PORT}` } = process.env;

@SubscriberService({ target: FEED })
class News {
  onEventNotification(event: ContentDistributionMessage): void {
    console.log(event.contentType, event.text());
  }
}

const app = express();
app.use(express.json());
app.get('/', (_request, response) => void response.send('The rest of the application'));

const server = createServer(app);
// Start before the server listens: requests to hubs wait for that. Callbacks never reach the middleware, so no body
// parser consumes their bytes.
await startService(News, { server, publicUrl: WEBSUB_PUBLIC_URL, handleSignals: true });
server.listen(Number(PORT), '127.0.0.1');
