/**
 * A hub that speaks PubSubHubbub 0.3 and wants to know who asks:
 * `HUB_USER=… HUB_PASSWORD=… node --import tsx pubsubhubbub-03.ts`
 */
import { defineSubscriber, startService } from 'websub-subscriber';

const { HUB = 'https://push.superfeedr.com/', HUB_USER = 'nobody', HUB_PASSWORD = 'none' } = process.env;
const { FEED = 'https://security.googleblog.com/feeds/posts/default' } = process.env;

const news = defineSubscriber(
  {
    name: 'news',
    target: { hub: HUB, topic: FEED },
    protocol: 'pubsubhubbub-0.3',
    // Not every hub of that age signs: without this line no secret is sent.
    secret: 'auto',
    httpConfig: { auth: { username: HUB_USER, password: HUB_PASSWORD } },
  },
  { onEventNotification: (event) => console.log(event.text()) },
);

await startService(news, { store: 'lmdb://.websub/pubsubhubbub-03' });
