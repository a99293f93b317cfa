// Fails with TS1238.
import { SubscriberService } from '../../src/decorators/subscriber-service.js';
import type { InternalHubError } from '../../src/subscription/hub-errors.js';

@SubscriberService()
export class News {
  onEventNotification(): void {}
  onSubscriptionValidationDenied(denial: InternalHubError): void {
    void denial;
  }
}
