import { expect, it } from 'vitest';
import { SubscriptionInitiationError, type InitiationFailure } from '../../../src/errors.js';
import { hubCandidates, isHubMissing } from '../../../src/hub/request/hub-candidates.js';

it.each([
  ['http://hub.example.com', ['https://hub.example.com/', 'http://hub.example.com']],
  ['http://hub.example.com:80/a?b', ['https://hub.example.com/a?b', 'http://hub.example.com:80/a?b']],
  ['http://hub.example.com:8080/', ['https://hub.example.com:8080/', 'http://hub.example.com:8080/']],
  ['http://10.0.0.1/', ['https://10.0.0.1/', 'http://10.0.0.1/']],
  ['https://hub.example.com/', ['https://hub.example.com/']],
  ['http://localhost:9090/', ['http://localhost:9090/']],
  ['http://hub.localhost/', ['http://hub.localhost/']],
  ['http://127.1.2.3/', ['http://127.1.2.3/']],
  ['http://[::1]:1/', ['http://[::1]:1/']],
])('S7 the hub %s is tried at %j', (hub, candidates) => {
  expect(hubCandidates(hub)).toEqual(candidates);
});

const failure = (reason: InitiationFailure, status?: number): SubscriptionInitiationError =>
  new SubscriptionInitiationError('', { reason, hub: 'https://hub.example.com', topic: 'topic', status });

it.each([[undefined], [301], [302], [303], [404], [405], [421], [501]])(
  'S7 status %s at the https form means that there is no hub',
  (status) => {
    expect(isHubMissing(failure(status === undefined ? 'unreachable' : 'refused', status))).toBe(true);
  },
);

it.each([[undefined], [304], [400], [401], [403], [409], [410], [422], [429], [500], [503]])(
  "S7 status %s at the https form is the hub's answer",
  (status) => {
    expect(isHubMissing(failure(status === undefined ? 'forbidden' : 'temporary', status))).toBe(false);
  },
);

it.each([[307], [308]])('S7 a %s back to plain HTTP means that there is no hub', (status) => {
  expect(isHubMissing(failure('forbidden', status))).toBe(true);
});

it('S7 an error of another kind does not count as a missing hub', () => {
  expect(isHubMissing(new Error('another'))).toBe(false);
});
