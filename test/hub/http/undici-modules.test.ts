import * as undici from 'undici';
import { expect, test } from 'vitest';
import { undiciModules } from '../../../src/hub/http/undici-modules.js';
import { onDemand } from '../../../src/on-demand.js';
import { startServer, answerWith } from '../../kit/recording-server.js';

test('the loaded parts are those of undici', () => {
  const { Agent, Client, buildConnector, errors } = undiciModules();
  expect([Agent, Client, buildConnector]).toEqual([undici.Agent, undici.Client, undici.buildConnector]);
  expect(errors.ClientDestroyedError).toBe(undici.errors.ClientDestroyedError);
});

test.each<[string, (name: string) => unknown]>([
  [
    'are missing',
    () => {
      throw new Error('Cannot find module');
    },
  ],
  ['have other exports', () => ({})],
])('the index of undici is loaded if the files of its parts %s', async (_case, fileOf) => {
  const loadedNames: string[] = [];
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each name leads to the module that the test returns for it
  const load = ((name: Parameters<typeof onDemand>[0]) => {
    loadedNames.push(name);
    return name === 'undici' ? onDemand(name) : fileOf(name);
  }) as typeof onDemand;
  const { Agent, request } = undiciModules(load);
  expect(loadedNames.at(-1)).toBe('undici');
  await using server = await startServer(answerWith(204));
  const agent = new Agent();
  const { statusCode } = await request(agent, { origin: server.url, path: '/x', method: 'GET' });
  expect(statusCode).toBe(204);
  expect(server.requests.map(({ path }) => path)).toEqual(['/x']);
  await agent.destroy();
});
