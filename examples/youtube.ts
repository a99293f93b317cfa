/**
 * Receives new videos of a YouTube channel. Hub and topic are known, so no page is fetched to discover them.
 *
 * Run it with `CHANNEL=UC_x5XG1OV2P6uZZ5FSM9Ttw npx tsx youtube.ts`
 */
import {
  type ContentDistributionMessage,
  startService,
  SubscriberService,
  type SubscriptionDeniedError,
} from 'websub-subscriber';

const { HUB = 'https://pubsubhubbub.appspot.com/subscribe', CHANNEL = 'UC_x5XG1OV2P6uZZ5FSM9Ttw' } = process.env;

@SubscriberService({
  target: { hub: HUB, topic: `https://www.youtube.com/feeds/videos.xml?channel_id=${CHANNEL}` },
})
class Videos {
  async onEventNotification(event: ContentDistributionMessage): Promise<void> {
    for (const { change, title = '', url = '', youtube } of await event.entries()) {
      // A video is 'updated' when its title changes, and 'deleted' when it is removed.
      if (change !== 'unchanged') console.log(change, youtube?.videoId, title, url);
    }
  }

  onSubscriptionValidationDenied(denial: SubscriptionDeniedError): void {
    console.error(`The hub denied the subscription: ${denial.message}`);
  }
}

await startService(Videos);
