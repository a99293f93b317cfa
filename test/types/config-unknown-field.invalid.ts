// Fails with TS2561.
import { SubscriberService } from '../../src/decorators/subscriber-service.js';

@SubscriberService({ leaseSecond: 864_000 })
export class News {
  onEventNotification(): void {}
}
