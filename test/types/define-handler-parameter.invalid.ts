// Fails with TS2322.
import { defineSubscriber } from '../../src/decorators/define-subscriber.js';

export const news = defineSubscriber({}, { onEventNotification: (event: Date) => void event });
