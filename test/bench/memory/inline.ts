import { startSubscriber } from '../servers/subscriber.js';
import { serveMemory } from './serve-memory.js';

// One subscription may have a quarter of what is in flight by default: here it has all the bodies that are looked at.
const security = { maxInFlightBytes: 1024 * 1024 * 1024 };

serveMemory((setup, hold) =>
  startSubscriber(setup, { onEventNotification: (event) => hold(event.bytes()) }, { security }),
);
