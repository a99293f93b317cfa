// Fails with TS2322.
import { SubscriberService } from '../../src/decorators/subscriber-service.js';

@SubscriberService({ leaseSeconds: '864000' })
export class News {
  onEventNotification(): void {}
}
