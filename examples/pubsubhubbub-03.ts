/**
 * Subscribes at a PubSubHubbub 0.3 hub that requires a user and a password:
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
    // Many 0.3 hubs do not sign, so no secret is sent without this line.
    secret: 'auto',
    httpConfig: { auth: { username: HUB_USER, password: HUB_PASSWORD } },
  },
  { onEventNotification: (event) => console.log(event.text()) },
);

await startService(news, { store: 'lmdb://.websub/pubsubhubbub-03' });
