import { json2k } from '../payloads.js';
import type { Scenario } from '../scenario.js';

export const queued: Scenario = {
  name: 'queued',
  what: 'this package with queued delivery: in the embedded store before the 202, then handled and removed, all of which counts',
  server: new URL('../servers/queued.js', import.meta.url),
  payloads: [json2k],
  aim: "at least 0.5 of the floor's rate with 64 in flight",
};

export const queued1: Scenario = {
  name: 'queued-1',
  what: 'the same with one request in flight, so that each waits for its own commit; compared with floor-1',
  server: queued.server,
  payloads: [json2k],
  comparedWith: 'floor-1',
  connections: 1,
  isLong: true,
};

export const queued256: Scenario = {
  name: 'queued-256',
  what: 'the same with 256 requests in flight, compared with floor-256',
  server: queued.server,
  payloads: [json2k],
  comparedWith: 'floor-256',
  connections: 256,
  isLong: true,
};
