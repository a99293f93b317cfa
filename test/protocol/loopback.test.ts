import { expect, it } from 'vitest';
import { isLoopback } from '../../src/protocol/loopback.js';

it.each([
  'http://127.0.0.1/',
  'http://127.255.3.4:8080/',
  'http://0x7f.1/',
  'http://[::1]/',
  'http://localhost/',
  'http://LOCALHOST./',
  'http://hub.localhost:1/',
])('S5 %s is this machine', (url) => {
  expect(isLoopback(url)).toBe(true);
});

it.each([
  'http://128.0.0.1/',
  'http://127.0.0.1.example.com/',
  'http://127.example.com/',
  'http://localhost.example.com/',
  'http://notlocalhost/',
  'http://10.0.0.1/',
  'http://0.0.0.0/',
  'http://[::ffff:127.0.0.1]/',
  'http://user.example.com/?localhost',
])('S5 %s is not this machine', (url) => {
  expect(isLoopback(url)).toBe(false);
});
