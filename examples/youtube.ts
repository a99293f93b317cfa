/**
 * Receives new videos of a YouTube channel, without a decorator. Hub and topic are known, so there is no discovery:
 * `node --import tsx youtube.ts`
 */
import { defineSubscriber, startService } from 'websub-subscriber';

const { HUB = 'https://pubsubhubbub.appspot.com/subscribe', CHANNEL = 'UC_x5XG1OV2P6uZZ5FSM9Ttw' } = process.env;

const videos = defineSubscriber(
  {
    name: 'videos',
    target: { hub: HUB, topic: `https://www.youtube.com/feeds/videos.xml?channel_id=${CHANNEL}` },
    leaseSeconds: 432_000,
  },
  {
    async onEventNotification(event) {
      for (const { change, title = '', url = '', youtube } of await event.entries()) {
        if (change !== 'unchanged') console.log(`${change}: ${youtube?.videoId} ${title} ${url}`);
      }
    },
    onSubscriptionValidationDenied(denial) {
      console.error(`YouTube's hub said no: ${denial.message}`);
    },
  },
);

await startService(videos, { store: 'lmdb://.websub/youtube' });
