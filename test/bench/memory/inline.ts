import { startSubscriber } from '../servers/subscriber.js';
import { serveMemory } from './serve-memory.js';

serveMemory((setup, hold) => startSubscriber(setup, { onEventNotification: (event) => hold(event.bytes()) }));
