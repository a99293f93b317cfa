import { serveJob } from './child.js';
import { TARGETS } from './targets.js';

await serveJob(TARGETS);
