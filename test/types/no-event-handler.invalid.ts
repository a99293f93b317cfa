// Fails with TS1238.
import { SubscriberService } from '../../src/decorators/subscriber-service.js';

@SubscriberService()
export class News {
  onHubError(): void {}
}
