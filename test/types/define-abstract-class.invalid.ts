// Fails with TS2345.
import { defineSubscriber } from '../../src/decorators/define-subscriber.js';

abstract class News {
  onEventNotification(): void {}
}

export const news = defineSubscriber({}, News);
