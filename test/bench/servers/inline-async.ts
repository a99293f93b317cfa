import { serveBench } from '../bench-server.js';
import { startSubscriber } from './subscriber.js';

serveBench((setup) => startSubscriber(setup, { async onEventNotification() {} }));
