import { expect, test } from 'vitest';
import { discoveryRequest } from '../../../src/hub/discovery/discovery-request.js';
import { withDocument, type OpenDocument } from '../../../src/hub/discovery/document.js';
import { discover } from '../../../src/hub/discovery/discover.js';
import { rejection, startServer, status } from '../../kit/recording-server.js';

const SIZE = 1024 * 1024;
const SLICE = 8_192;

/** Works for so long, and nothing else does. */
function work(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

test('D12 a document is handed over in slices, and the event loop has its turn between them', async () => {
  await using server = await startServer(status(200, {}, 'x'.repeat(SIZE)));
  const sizes: number[] = [];
  const turns: number[] = [];
  const read = (document: OpenDocument): Promise<unknown> =>
    document.read((bytes) => {
      sizes.push(bytes.byteLength);
      work(1);
      return false;
    }, SIZE);
  const timer = setInterval(() => turns.push(performance.now()), 1);
  await withDocument(server.url, discoveryRequest({}, true), read);
  clearInterval(timer);
  expect(sizes.reduce((sum, size) => sum + size)).toBe(SIZE);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(SLICE);
  // Of the 128 ms at least that it takes, the timer has its share.
  expect(turns.length).toBeGreaterThan(10);
});

test('D12 timeoutMs ends the reading of a document that is there already', async () => {
  await using server = await startServer(status(200, {}, 'x'.repeat(SIZE)));
  let slices = 0;
  const read = (document: OpenDocument): Promise<unknown> =>
    document.read(() => {
      slices += 1;
      work(10);
      return false;
    }, SIZE);
  const request = discoveryRequest({ httpConfig: { timeoutMs: 200 } }, true);
  expect(await rejection(withDocument(server.url, request, read))).toMatchObject({ reason: 'timeout' });
  expect(slices).toBeGreaterThan(0);
  expect(slices).toBeLessThan(SIZE / SLICE / 2);
});

test('D12 so does the signal of the caller', async () => {
  await using server = await startServer(status(200, { 'content-type': 'text/html' }, '</p>'.repeat(SIZE)));
  const controller = new AbortController();
  const discovery = discover(server.url, {}, { signal: controller.signal });
  setTimeout(() => controller.abort(new Error('stopped')), 20);
  expect(await rejection(discovery)).toMatchObject({ reason: 'unreachable' });
});
