import { expect, test } from 'vitest';
import { callbackKey, lastSegment } from '../../../src/subscription/registry/callback-key.js';

test.each([
  ['/websub/token', 'token'],
  ['/a/proxy/put/this/before/token', 'token'],
  ['/websub/token/', 'token'],
  ['/websub/token?hub.mode=subscribe&hub.topic=https://a.example/b', 'token'],
  ['/token', 'token'],
  ['token', 'token'],
  ['/', ''],
  ['', ''],
  ['/websub/caf%C3%A9', 'café'],
  ['/websub/caf%c3%a9', 'café'],
  ['/websub/100%', '100%'],
])('the last segment of %s is "%s"', (target, segment) => {
  expect(lastSegment(target)).toBe(segment);
});

test('a callback URL has the same key as a request to it', () => {
  expect(callbackKey('https://me.example/websub/café')).toBe(lastSegment('/elsewhere/caf%C3%A9?hub.mode=denied'));
});
