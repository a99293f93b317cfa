import { serveBench } from '../bench-server.js';
import { startFloor } from './start-floor.js';

serveBench((setup) => startFloor(setup));
