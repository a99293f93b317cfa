import * as undici from 'undici';
import { expect, test } from 'vitest';
import { undiciModules } from '../../../src/hub/http/undici-modules.js';
import { onDemand } from '../../../src/on-demand.js';
import { startServer, status } from '../../kit/recording-server.js';

test('the parts are those of undici', () => {
  const { Agent, Client, buildConnector, errors } = undiciModules();
  expect([Agent, Client, buildConnector]).toEqual([undici.Agent, undici.Client, undici.buildConnector]);
  expect(errors.ClientDestroyedError).toBe(undici.errors.ClientDestroyedError);
});

test.each<[string, (name: string) => unknown]>([
  [
    'are not there',
    () => {
      throw new Error('Cannot find module');
    },
  ],
  ['are something else', () => ({})],
])('the index is loaded where the files of the parts %s', async (_what, fileOf) => {
  const loaded: string[] = [];
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it gives what it is told to give
  const load = ((name: Parameters<typeof onDemand>[0]) => {
    loaded.push(name);
    return name === 'undici' ? onDemand(name) : fileOf(name);
  }) as typeof onDemand;
  const { Agent, request } = undiciModules(load);
  expect(loaded.at(-1)).toBe('undici');
  await using server = await startServer(status(204));
  const agent = new Agent();
  const { statusCode } = await request(agent, { origin: server.url, path: '/x', method: 'GET' });
  expect(statusCode).toBe(204);
  expect(server.requests.map(({ path }) => path)).toEqual(['/x']);
  await agent.destroy();
});
