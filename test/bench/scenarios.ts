import type { Scenario } from './scenario.js';
import { floor1, floor256, floor512, floor8, floorLaden, floor } from './scenarios/floor.js';
import {
  inline1,
  inline10,
  inline100k,
  inline512,
  inline8,
  inlineAsync,
  inlineRoomy,
  inline,
} from './scenarios/inline.js';
import { express, fastify, h3, pubsubhubbub } from './scenarios/peers.js';
import { queued1, queued256, queued } from './scenarios/queued.js';

/** All scenarios, in the order of the table. The others are compared with the first. */
export const scenarios: readonly Scenario[] = [
  floor,
  floorLaden,
  inline,
  inlineRoomy,
  inlineAsync,
  h3,
  fastify,
  pubsubhubbub,
  express,
  inline10,
  inline100k,
  queued,
  floor1,
  inline1,
  queued1,
  floor8,
  inline8,
  floor256,
  queued256,
  floor512,
  inline512,
];
