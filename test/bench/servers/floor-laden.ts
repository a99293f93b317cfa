import { serveBench } from '../bench-server.js';
import { startFloor } from './start-floor.js';

/** With them the heap holds as much as that of a subscriber that has started: 15 MB. */
const OBJECTS = 135_000;

/** Kept by whoever may be called, which is all the time. */
const laden = Array.from({ length: OBJECTS }, (_, index) => ({ index, name: `object ${index}` }));

serveBench((setup) => startFloor(setup, (_body, answer) => (laden.length > 0 ? answer() : undefined)));
