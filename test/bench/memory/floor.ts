import { startFloor } from '../servers/start-floor.js';
import { serveMemory } from './serve-memory.js';

serveMemory((setup, hold) => startFloor(setup, (body, answer) => void hold(body).then(answer)));
