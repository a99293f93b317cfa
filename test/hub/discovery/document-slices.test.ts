import { expect, test } from 'vitest';
import { discoveryRequest } from '../../../src/hub/discovery/discovery-request.js';
import { withDocument, type OpenDocument } from '../../../src/hub/discovery/document.js';
import { discover } from '../../../src/hub/discovery/discover.js';
import { failureOf } from '../../kit/failure-of.js';
import { startServer, answerWith } from '../../kit/recording-server.js';

const SIZE = 1024 * 1024;
const SLICE = 8_192;

/** Blocks the event loop for this time. */
function blockFor(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

test('D12 a document is read in slices, and reading yields to the event loop between them', async () => {
  await using server = await startServer(answerWith(200, {}, 'x'.repeat(SIZE)));
  const sizes: number[] = [];
  const ticks: number[] = [];
  const read = (document: OpenDocument): Promise<unknown> =>
    document.read((bytes) => {
      sizes.push(bytes.byteLength);
      blockFor(1);
      return false;
    }, SIZE);
  const timer = setInterval(() => ticks.push(performance.now()), 1);
  await withDocument(server.url, discoveryRequest({}, true), read);
  clearInterval(timer);
  expect(sizes.reduce((sum, size) => sum + size)).toBe(SIZE);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(SLICE);
  // Reading takes at least 128 ms, so the timer fires many times.
  expect(ticks.length).toBeGreaterThan(10);
});

test('D12 timeoutMs ends the reading of a document that has already arrived', async () => {
  await using server = await startServer(answerWith(200, {}, 'x'.repeat(SIZE)));
  let slices = 0;
  const read = (document: OpenDocument): Promise<unknown> =>
    document.read(() => {
      slices += 1;
      blockFor(10);
      return false;
    }, SIZE);
  const request = discoveryRequest({ httpConfig: { timeoutMs: 200 } }, true);
  expect(await failureOf(withDocument(server.url, request, read))).toMatchObject({ reason: 'timeout' });
  expect(slices).toBeGreaterThan(0);
  expect(slices).toBeLessThan(SIZE / SLICE / 2);
});

test('D12 the signal of the caller ends the reading of a document', async () => {
  await using server = await startServer(answerWith(200, { 'content-type': 'text/html' }, '</p>'.repeat(SIZE)));
  const controller = new AbortController();
  const discovery = discover(server.url, {}, { signal: controller.signal });
  setTimeout(() => controller.abort(new Error('stopped')), 20);
  expect(await failureOf(discovery)).toMatchObject({ reason: 'unreachable' });
});
