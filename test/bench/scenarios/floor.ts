import { atom20k, json2k } from '../payloads.js';
import type { Scenario } from '../scenario.js';

export const floor: Scenario = {
  name: 'floor',
  what: 'bare node:http that does the same work by hand: whole body, HMAC-SHA256, constant-time compare, 202',
  server: new URL('../servers/floor.js', import.meta.url),
  payloads: [json2k, atom20k],
};

export const floor1: Scenario = {
  name: 'floor-1',
  what: 'the floor with one request in flight',
  server: floor.server,
  payloads: [json2k],
  comparedWith: 'floor-1',
  connections: 1,
};

export const floor256: Scenario = {
  name: 'floor-256',
  what: 'the floor with 256 requests in flight',
  server: floor.server,
  payloads: [json2k],
  comparedWith: 'floor-256',
  connections: 256,
};
