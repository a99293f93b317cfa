// Fails with TS2322.
import { SubscriberService } from '../../src/decorators/subscriber-service.js';

@SubscriberService({ signature: { algorithms: ['md5'] } })
export class News {
  onEventNotification(): void {}
}
