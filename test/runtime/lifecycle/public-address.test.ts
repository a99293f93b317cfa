import { createServer as createTlsServer } from 'node:https';
import { describe, expect, it, vi } from 'vitest';
import { ConfigurationError, ListenerError } from 'websub-subscriber';
import { portOf, resolvePublicAddress } from '../../../src/runtime/lifecycle/public-address.js';
import { failureOf } from '../../kit/failure-of.js';
import { recordingLogger } from '../../kit/recording-logger.js';

const logger = recordingLogger();

/** A tunnel option that resolves to any value. */
function tunnelTo(tunnel: unknown): () => Promise<{ url: string; close(): unknown }> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- without the compiler, a function may return any value
  return async () => tunnel as { url: string; close(): unknown };
}

describe('the public address', () => {
  it('is localhost by default, with a warning', async () => {
    const logger = recordingLogger();
    expect(await resolvePublicAddress({}, 9090, logger)).toEqual({ url: 'http://localhost:9090' });
    expect(logger.lines).toMatchObject([
      { level: 'warn', event: 'public-url.local', fields: { publicUrl: 'http://localhost:9090' } },
    ]);
  });

  it('is https if the runtime or the server serves HTTPS', async () => {
    expect((await resolvePublicAddress({ tls: {} }, 1, logger)).url).toBe('https://localhost:1');
    const server = createTlsServer();
    expect((await resolvePublicAddress({ server }, 2, logger)).url).toBe('https://localhost:2');
    expect(portOf(server)).toBeUndefined();
  });

  it('is publicUrl, without a warning', async () => {
    const logger = recordingLogger();
    expect(await resolvePublicAddress({ publicUrl: 'https://me.example' }, undefined, logger)).toEqual({
      url: 'https://me.example',
    });
    expect(logger.lines).toEqual([]);
  });

  it("is the tunnel's URL, or publicUrl with a tunnel behind it", async () => {
    const localAddresses: string[] = [];
    const openTunnel = { url: 'https://abc.tunnel.example//', close: (): void => {} };
    const tunnel = async (address: string): Promise<typeof openTunnel> => {
      localAddresses.push(address);
      return openTunnel;
    };
    expect(await resolvePublicAddress({ tunnel }, 9090, logger)).toEqual({
      url: 'https://abc.tunnel.example',
      tunnel: openTunnel,
    });
    expect((await resolvePublicAddress({ tunnel, publicUrl: 'https://me.example' }, 9090, logger)).url).toBe(
      'https://me.example',
    );
    expect(localAddresses).toEqual(['http://localhost:9090', 'http://localhost:9090']);
  });

  it('is refused with a ConfigurationError while the given server does not listen', async () => {
    for (const options of [{}, { tunnel: tunnelTo({}), publicUrl: 'https://me.example' }]) {
      const failure = await failureOf(resolvePublicAddress(options, undefined, logger));
      expect(failure).toBeInstanceOf(ConfigurationError);
      expect(failure.message).toMatch(/server does not listen on a port yet.*listen\(\) first/);
    }
  });

  it('is refused with a ListenerError if the tunnel cannot be opened', async () => {
    for (const reason of [new Error('no token'), 'no token']) {
      const failure = await failureOf(resolvePublicAddress({ tunnel: () => Promise.reject(reason) }, 9090, logger));
      expect(failure).toBeInstanceOf(ListenerError);
      expect(failure.message).toMatch(/tunnel .*http:\/\/localhost:9090 .*: no token$/i);
      expect(failure.cause).toBe(reason);
    }
  });

  it('is refused with a ListenerError if the tunnel is unusable, and the tunnel is closed', async () => {
    const close = vi.fn<() => void>(() => {
      throw new Error('closed anyhow');
    });
    const unusable = [
      undefined,
      { url: 'https://a.example' },
      { url: 'tcp://a.example', close },
      { url: 'https://', close },
    ];
    for (const tunnel of unusable) {
      const failure = await failureOf(resolvePublicAddress({ tunnel: tunnelTo(tunnel) }, 9090, logger));
      expect(failure).toBeInstanceOf(ListenerError);
      expect(failure.message).toMatch(/must resolve to \{ url, close\(\) \}/);
    }
    expect(close).toHaveBeenCalledTimes(2);
  });

  it('has the host that the runtime listens on, if that is one address only', async () => {
    const urls = ['0.0.0.0', '::', '127.0.0.2', '::1', 'box.example'].map(async (host) => {
      const { url } = await resolvePublicAddress({ host }, 9090, logger);
      return url;
    });
    expect(await Promise.all(urls)).toEqual([
      'http://localhost:9090',
      'http://localhost:9090',
      'http://127.0.0.2:9090',
      'http://[::1]:9090',
      'http://box.example:9090',
    ]);
  });
});
