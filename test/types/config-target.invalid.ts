// Fails with TS2322.
import { SubscriberService } from '../../src/decorators/subscriber-service.js';

@SubscriberService({ target: { hub: 'https://hub.example/' } })
export class News {
  onEventNotification(): void {}
}
