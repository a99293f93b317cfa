// Fails with TS1238.
import { SubscriberService } from '../../src/decorators/subscriber-service.js';

@SubscriberService()
export class News {
  onEventNotification(): void {}
  onStart(port: number): void {
    void port;
  }
}
