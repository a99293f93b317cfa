import { startSubscriber } from '../servers/subscriber.js';
import { serveMemory } from './serve-memory.js';

// By default one subscription can use a quarter of the in-flight bytes. Here it needs room for all measured bodies.
const security = { maxInFlightBytes: 1024 * 1024 * 1024 };

serveMemory((setup, hold) =>
  startSubscriber(setup, { onEventNotification: (event) => hold(event.bytes()) }, { security }),
);
