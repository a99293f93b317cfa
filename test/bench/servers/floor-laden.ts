import { serveBench } from '../bench-server.js';
import { startFloor } from './start-floor.js';

/** With them the heap holds as much as that of a subscriber that has started: 15 MB. */
const OBJECTS = 135_000;

const load = Array.from({ length: OBJECTS }, (_, index) => ({ index, name: `object ${index}` }));

serveBench((setup) =>
  startFloor(setup, (_body, answer) => {
    // The handler refers to them: they stay as long as it does.
    if (load.length === OBJECTS) answer();
  }),
);
