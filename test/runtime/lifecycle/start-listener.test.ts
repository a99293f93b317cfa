import type { RequestListener } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { checkOptions } from '../../../src/runtime/config/check-options.js';
import { startListener } from '../../../src/runtime/lifecycle/start-listener.js';
import { recordingLogger } from '../../kit/recording-logger.js';
import { openWire, request } from '../../kit/wire.js';

const handler: RequestListener = (_request, response) => void response.end('here');

/** Starts a listener in a process with this open-files limit. */
async function listenWith(maxConnections: number, openFiles: number | undefined) {
  const logger = recordingLogger();
  const options = checkOptions({ port: 0, host: '127.0.0.1', security: { maxConnections } }, {});
  const listener = await startListener(handler, options, logger, openFiles);
  onTestFinished(() => listener?.close({ force: true }));
  return { logger, port: listener?.port ?? 0 };
}

test('C6 connections above the limit are closed, and several of them in a minute are logged once', async () => {
  const { logger, port } = await listenWith(1, undefined);
  const first = await openWire(port);
  first.send(request('GET', '/'));
  expect((await first.answer()).status).toBe(200);
  for (let count = 0; count < 3; count += 1) await (await openWire(port)).closed;
  expect(logger.lines).toMatchObject([
    {
      level: 'warn',
      event: 'connection.dropped',
      fields: { maxConnections: 1, suppressed: 0 },
    },
  ]);
});

test('C6 a low open-files limit lowers the connection limit, which is logged at the start', async () => {
  const { logger } = await listenWith(10_000, 1_024);
  expect(logger.lines).toMatchObject([
    { level: 'warn', event: 'listener.file-limit', fields: { maxConnections: 512, openFiles: 1_024 } },
  ]);
  expect((await listenWith(500, 1_024)).logger.lines).toEqual([]);
});

test('the runtime does not listen if manual is set', async () => {
  const options = checkOptions({ manual: true, publicUrl: 'https://me.example' }, {});
  expect(await startListener(handler, options, recordingLogger())).toBe(undefined);
});
