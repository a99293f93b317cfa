// Fails with TS1241.
import { SubscriberService } from '../../src/decorators/subscriber-service.js';

export class News {
  @SubscriberService()
  onEventNotification(): void {}
}
