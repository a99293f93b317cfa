import { atom20k, json2k } from '../payloads.js';
import type { Scenario } from '../scenario.js';

const payloads = [json2k, atom20k];
const isPeer = true;

export const fastify: Scenario = {
  name: 'fastify',
  what: 'fastify 5 that does the same work: body as a Buffer from a content type parser, HMAC-SHA256, constant-time compare, 202',
  server: new URL('../servers/fastify.js', import.meta.url),
  payloads,
  isPeer,
};

export const h3: Scenario = {
  name: 'h3',
  what: 'h3 1 that does the same work: toNodeListener, a router, readRawBody as a Buffer, the same HMAC and compare, 202',
  server: new URL('../servers/h3.js', import.meta.url),
  payloads,
  isPeer,
};

export const express: Scenario = {
  name: 'express',
  what: 'express 5 that does the same work: express.raw, the same HMAC and compare, 202',
  server: new URL('../servers/express.js', import.meta.url),
  payloads,
  isPeer,
};

export const pubsubhubbub: Scenario = {
  name: 'pubsubhubbub',
  what:
    "npm's pubsubhubbub, its own server. It cannot do all the same: it answers 204 to what is genuine and 202 to what is forged " +
    '(which it keeps to itself), knows no paths, and compares in a time that is not constant',
  server: new URL('../servers/pubsubhubbub.js', import.meta.url),
  payloads,
  answers: { genuine: 204, forged: 202, unknownPath: undefined },
  isPeer,
};
