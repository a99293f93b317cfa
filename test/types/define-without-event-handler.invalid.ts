// Fails with TS2345.
import { defineSubscriber } from '../../src/decorators/define-subscriber.js';

export const news = defineSubscriber({}, { onHubError: () => {} });
