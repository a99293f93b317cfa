import { serveBench } from '../bench-server.js';
import { startMany } from './many.js';

serveBench((setup) => startMany(setup, 10));
