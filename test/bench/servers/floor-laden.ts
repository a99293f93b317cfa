import { serveBench } from '../bench-server.js';
import { startFloor } from './start-floor.js';

/** Objects that fill the heap to the size of a started subscriber: 15 MB. */
const OBJECTS = 135_000;

const objects = Array.from({ length: OBJECTS }, (_, index) => ({ index, name: `object ${index}` }));

serveBench((setup) =>
  startFloor(setup, (_body, answer) => {
    // Referenced by the handler, so that they are not collected.
    if (objects.length === OBJECTS) answer();
  }),
);
