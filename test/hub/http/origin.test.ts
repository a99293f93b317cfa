import { expect, it } from 'vitest';
import { canSendCredentials, originOf } from '../../../src/hub/http/origin.js';

it.each([
  ['https://hub.example/a?b', 'https://hub.example/c', true],
  ['https://hub.example:443/', 'https://hub.example/', true],
  ['https://HUB.example/', 'https://hub.example/', true],
  ['https://hub.example/', 'http://hub.example/', true],
  ['https://hub.example:8080/', 'http://hub.example:8080/', true],
  ['https://127.0.0.1:1/', 'http://127.0.0.1:1/', true],
  ['http://hub.example/', 'https://hub.example/', false],
  ['https://hub.example/', 'http://hub.example:8080/', false],
  ['https://127.0.0.1:2/', 'http://127.0.0.1:1/', false],
  ['https://hub.example:8443/', 'https://hub.example/', false],
  ['https://www.hub.example/', 'https://hub.example/', false],
  ['https://hub.example.evil.example/', 'https://hub.example/', false],
])('S5 credentials may be sent to %s if they are configured for %s: %s', (url, credentialsFor, isAllowed) => {
  expect(canSendCredentials(url, credentialsFor)).toBe(isAllowed);
});

it('an unparsable URL is its own origin', () => {
  expect(originOf('no URL')).toBe('no URL');
  expect(originOf('https://hub.example:443/a')).toBe('https://hub.example');
});
