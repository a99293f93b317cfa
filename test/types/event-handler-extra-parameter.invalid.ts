// Fails with TS1238.
import { SubscriberService } from '../../src/decorators/subscriber-service.js';
import type { ContentDistributionMessage } from '../../src/delivery/message/message.js';

@SubscriberService()
export class News {
  onEventNotification(event: ContentDistributionMessage, archive: string): void {
    void [event, archive];
  }
}
