// Fails with TS1238.
import { SubscriberService } from '../../src/decorators/subscriber-service.js';

@SubscriberService()
export class News {
  async onEventNotification(): Promise<{ headers: number }> {
    return { headers: 200 };
  }
}
