// Fails with TS1238.
import { SubscriberService } from '../../src/decorators/subscriber-service.js';
import type { ContentDistributionMessage } from '../../src/delivery/message/message.js';

interface ReadNews extends ContentDistributionMessage {
  readonly reader: string;
}

@SubscriberService()
export class News {
  onEventNotification(event: ReadNews): void {
    void event;
  }
}
