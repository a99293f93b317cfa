import { type ContentDistributionMessage, startService, SubscriberService } from 'websub-subscriber';

const { FEED = 'https://security.googleblog.com/feeds/posts/default' } = process.env;

@SubscriberService({ target: FEED })
class News {
  onEventNotification(event: ContentDistributionMessage): void {
    console.log(event.text());
  }
}

await startService(News);
