// Fails with TS1238.
import { SubscriberService } from '../../src/decorators/subscriber-service.js';
import type { UnsubscriptionVerification } from '../../src/delivery/handler/verification.js';

@SubscriberService()
export class News {
  onEventNotification(): void {}
  onSubscriptionVerification(verification: UnsubscriptionVerification): void {
    void verification;
  }
}
