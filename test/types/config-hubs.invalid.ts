// Fails with TS2322.
import { SubscriberService } from '../../src/decorators/subscriber-service.js';

@SubscriberService({ hubs: 'first' })
export class News {
  onEventNotification(): void {}
}
