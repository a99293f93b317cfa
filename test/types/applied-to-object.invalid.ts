// Fails with TS2353.
import { SubscriberService } from '../../src/decorators/subscriber-service.js';

SubscriberService()({ onEventNotification: () => {} });
