/** Callbacks inside an Express application: `node --import @oxc-node/core/register examples/express.ts` */
import express from 'express';
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
  store: 'lmdb://.websub/express',
  handleSignals: true,
});

const app = express();
// Before any body parser: signatures are over the bytes as they were sent. What is not a callback goes on to the rest.
app.use(runtime.nodeHandler);
app.use(express.json());
app.get('/', (_request, response) => void response.send('The rest of the application'));
app.listen(Number(PORT));
