// Run it with `node quick-start.mjs`. Set WEBSUB_PUBLIC_URL to the URL under which hubs reach port 9090.
import { defineSubscriber, startService } from 'websub-subscriber';

const { FEED = 'https://security.googleblog.com/feeds/posts/default' } = process.env;

const feedReader = defineSubscriber(
  { name: 'FeedReader', target: FEED },
  {
    async onEventNotification(event) {
      for (const { change, title, url } of await event.entries()) console.log(change, title, url);
    },
  },
);

await startService(feedReader);
