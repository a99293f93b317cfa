import type { Scenario } from './scenario.js';
import { badSignatures } from './scenarios/bad-signatures.js';
import { decodedBodies } from './scenarios/decoded-bodies.js';
import { forgedVerifications } from './scenarios/forged-verifications.js';
import { feedsScenario } from './scenarios/hostile-feeds.js';
import { stalledSigned, stalledUnsigned } from './scenarios/stalled-bodies.js';
import { hostilePagesRead } from './scenarios/hostile-pages.js';
import { storeOutages } from './scenarios/store-outages.js';
import { unreadPipe } from './scenarios/unread-pipe.js';
import { unsignedFlood } from './scenarios/unsigned-flood.js';

/** All scenarios, in the order of the table. */
export const scenarios: readonly Scenario[] = [
  badSignatures,
  storeOutages,
  unreadPipe,
  forgedVerifications,
  unsignedFlood,
  stalledUnsigned,
  stalledSigned,
  decodedBodies,
  hostilePagesRead,
  feedsScenario,
];
