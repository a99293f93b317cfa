import { beforeEach, describe, expect, it, vi } from 'vitest';
import { AddressError, privacyOf } from '../../../src/hub/guard/address-guard.js';
import { sendHubRequest, type HubRequest } from '../../../src/hub/request/hub-request.js';
import { everyHostHere, startServer, answerWith } from '../../kit/recording-server.js';
import { failureOf } from '../../kit/failure-of.js';

// A test cannot have a public address, so the test decides whether the hub counts as one.
vi.mock(import('../../../src/hub/guard/address-guard.js'), async (importOriginal) => {
  const original = await importOriginal();
  return { ...original, privacyOf: vi.fn<typeof original.privacyOf>() };
});

const request: HubRequest = {
  mode: 'subscribe',
  topic: 'https://example.com/feed',
  callback: 'https://me.example.com/websub/1',
};

describe('the address guard', () => {
  beforeEach(() => {
    vi.mocked(privacyOf).mockReset();
  });

  it('allows any address for a hub that the user configured', async () => {
    vi.mocked(privacyOf).mockResolvedValue('public');
    await using server = await startServer(answerWith(202));
    expect(await sendHubRequest(server.url, request)).toMatchObject({ status: 202 });
  });

  it('refuses the redirect of a public hub to a private address', async () => {
    vi.mocked(privacyOf).mockResolvedValue('public');
    await using privateServer = await startServer(answerWith(202));
    await using server = await startServer(answerWith(307, { location: privateServer.url }));
    const error = await failureOf(sendHubRequest(server.url, request));
    expect(error).toMatchObject({
      reason: 'forbidden',
      message: expect.stringMatching(
        /\(redirected from the hub\) failed: 127\.0\.0\.1 is not a public address.*allowPrivateNetworks/,
      ),
    });
    expect(error).toHaveProperty('cause', expect.any(AddressError));
    expect(privateServer.requests).toHaveLength(0);
  });

  it('follows the redirect of a private hub to a private address', async () => {
    vi.mocked(privacyOf).mockResolvedValue('literal');
    await using privateServer = await startServer(answerWith(202));
    await using server = await startServer(answerWith(307, { location: privateServer.url }));
    expect(await sendHubRequest(server.url, request)).toMatchObject({ status: 202 });
    expect(privacyOf).toHaveBeenCalledExactlyOnceWith(server.url);
  });

  it('follows the redirect of a hub with a private name to its own host and port only', async () => {
    vi.mocked(privacyOf).mockResolvedValue('resolved');
    await using privateServer = await startServer(answerWith(202));
    await using server = await startServer(({ path }, response) => {
      response.writeHead(307, { location: path === '/' ? '/again' : privateServer.url }).end();
    });
    expect(await failureOf(sendHubRequest(server.url, request))).toMatchObject({ reason: 'forbidden' });
    expect(server.requests.map(({ path }) => path)).toEqual(['/', '/again']);
    expect(privateServer.requests).toHaveLength(0);
  });

  it('refuses a private hub that the user did not configure', async () => {
    await using server = await startServer(answerWith(202));
    const error = await failureOf(sendHubRequest(server.url, request, { guarded: true }));
    expect(error).toMatchObject({ reason: 'forbidden', message: expect.stringContaining('allowPrivateNetworks') });
    expect(server.requests).toHaveLength(0);
  });

  it('is not applied if it is disabled or the user has a dispatcher', async () => {
    await using privateServer = await startServer(answerWith(202));
    await using server = await startServer(answerWith(307, { location: privateServer.url }));
    expect(await sendHubRequest(server.url, request, { guarded: false })).toMatchObject({ status: 202 });
    const dispatcher = everyHostHere({ http: privateServer.port, https: 1 });
    expect(await sendHubRequest('http://hub.test/', request, { httpConfig: { dispatcher } })).toMatchObject({
      status: 202,
    });
    const redirectingDispatcher = everyHostHere({ http: server.port, https: 1 });
    const options = { httpConfig: { dispatcher: redirectingDispatcher, maxRedirects: 1 } };
    expect(await failureOf(sendHubRequest('http://hub.test/', request, options))).toMatchObject({ reason: 'refused' });
    expect(privacyOf).not.toHaveBeenCalled();
    await Promise.all([dispatcher.destroy(), redirectingDispatcher.destroy()]);
  });

  it('does not let a slow lookup outlast the timeout', async () => {
    vi.mocked(privacyOf).mockReturnValue(new Promise(() => {}));
    await using server = await startServer(answerWith(307, { location: '/again' }));
    const error = await failureOf(sendHubRequest(server.url, request, { httpConfig: { timeoutMs: 200 } }));
    expect(error).toMatchObject({ reason: 'unreachable', message: expect.stringContaining('no complete answer') });
    expect(server.requests).toHaveLength(1);
  });
});
