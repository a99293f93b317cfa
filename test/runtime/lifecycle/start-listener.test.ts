import type { RequestListener } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { checkOptions } from '../../../src/runtime/config/check-options.js';
import { startListener } from '../../../src/runtime/lifecycle/start-listener.js';
import { recordingLogger } from '../../kit/recording-logger.js';
import { openWire, request } from '../../kit/wire.js';

const here: RequestListener = (_request, response) => void response.end('here');

/** A listener of a process that may have so many files open. */
async function listening(maxConnections: number, openFiles: number | undefined) {
  const logger = recordingLogger();
  const options = checkOptions({ port: 0, host: '127.0.0.1', security: { maxConnections } }, {});
  const listener = await startListener(here, options, logger, openFiles);
  onTestFinished(() => listener?.close({ force: true }));
  return { logger, port: listener?.port ?? 0 };
}

test('C6 connections past the limit are closed, which is logged once a minute', async () => {
  const { logger, port } = await listening(1, undefined);
  const first = await openWire(port);
  first.send(request('GET', '/'));
  expect((await first.answer()).status).toBe(200);
  for (let count = 0; count < 3; count += 1) await (await openWire(port)).closed;
  expect(logger.lines).toMatchObject([
    {
      level: 'warn',
      fields: { maxConnections: 1, notLogged: 0 },
      message: 'a connection was closed, as too many are open: see security.maxConnections',
    },
  ]);
});

test('C6 where few files may be open, fewer connections are taken, which is logged at the start', async () => {
  const { logger } = await listening(10_000, 1_024);
  expect(logger.lines).toMatchObject([{ level: 'warn', fields: { maxConnections: 512, openFiles: 1_024 } }]);
  expect((await listening(500, 1_024)).logger.lines).toEqual([]);
});

test('nothing is listened on where others do', async () => {
  const options = checkOptions({ manual: true, publicUrl: 'https://me.example' }, {});
  expect(await startListener(here, options, recordingLogger())).toBe(undefined);
});
