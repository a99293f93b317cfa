import type { Scenario } from './scenario.js';
import { floor1, floor256, floor } from './scenarios/floor.js';
import { inline10, inline100k, inlineAsync, inline } from './scenarios/inline.js';
import { queued1, queued256, queued } from './scenarios/queued.js';

/** All scenarios, in the order of the table. The first is what the others are compared with. */
export const scenarios: readonly Scenario[] = [
  floor,
  inline,
  inlineAsync,
  inline10,
  inline100k,
  queued,
  floor1,
  queued1,
  floor256,
  queued256,
];
