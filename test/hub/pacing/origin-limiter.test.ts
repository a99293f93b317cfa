import { describe, expect, it } from 'vitest';
import { OriginLimiter } from '../../../src/hub/pacing/origin-limiter.js';
import { deferred, type Deferred } from '../../kit/fake-world.js';

const HUB = 'https://hub.example.com/';

/** Work that goes on until it is told to end, and what of it has begun. */
class Works {
  readonly begun: string[] = [];
  readonly #ends = new Map<string, Deferred<void>>();

  readonly of = (name: string) => (): Promise<void> => {
    this.begun.push(name);
    const end = deferred();
    this.#ends.set(name, end);
    return end.promise;
  };

  end(name: string): void {
    this.#ends.get(name)?.resolve();
  }

  fail(name: string): void {
    this.#ends.get(name)?.reject(new Error(`${name} failed`));
  }
}

function setUp(limit: number) {
  const abort = new AbortController();
  return { abort, pacing: new OriginLimiter(limit, abort.signal), works: new Works() };
}

async function microtasks(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

describe('Pacing', () => {
  it('L5 lets so much work at one origin be in flight, and begins the rest in its order', async () => {
    const { pacing, works } = setUp(2);
    for (const name of ['a', 'b', 'c', 'd', 'e']) void pacing.run(`${HUB}${name}`, works.of(name));
    expect(works.begun).toEqual(['a', 'b']);
    works.end('b');
    await microtasks();
    expect(works.begun).toEqual(['a', 'b', 'c']);
    works.end('a');
    works.end('c');
    await microtasks();
    expect(works.begun).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('L5 has no origin wait for another: the scheme, the host and the port tell them apart', () => {
    const { pacing, works } = setUp(1);
    const urls = ['https://a.example/', 'http://a.example/', 'https://a.example:444/', 'https://b.example/', 'no URL'];
    for (const url of urls) void pacing.run(url, works.of(url));
    void pacing.run('https://a.example:443/another', works.of('the same'));
    expect(works.begun).toEqual(urls);
  });

  it('hands a failure to whoever gave the work, and the place to the next one', async () => {
    const { pacing, works } = setUp(1);
    const failing = pacing.run(HUB, works.of('failing'));
    const next = pacing.run(HUB, works.of('next'));
    works.fail('failing');
    await expect(failing).rejects.toThrow('failing failed');
    expect(works.begun).toEqual(['failing', 'next']);
    works.end('next');
    await next;
  });

  it('lets in, after a queue, who comes later, and keeps nothing of an origin that is idle', async () => {
    const { pacing, works } = setUp(1);
    const first = [pacing.run(HUB, works.of('a')), pacing.run(HUB, works.of('b'))];
    works.end('a');
    await microtasks();
    works.end('b');
    await Promise.all(first);
    expect(pacing.activeOrigins).toBe(0);
    const second = [pacing.run(HUB, works.of('c')), pacing.run(HUB, works.of('d'))];
    expect(works.begun).toEqual(['a', 'b', 'c']);
    expect(pacing.activeOrigins).toBe(1);
    works.end('c');
    await microtasks();
    works.end('d');
    await Promise.all(second);
    expect(works.begun).toEqual(['a', 'b', 'c', 'd']);
  });

  it('gives up what waits when it is aborted, and begins nothing from then on', async () => {
    const { pacing, works, abort } = setUp(1);
    const running = pacing.run(HUB, works.of('running'));
    const waiting = pacing.run(HUB, works.of('waiting'));
    abort.abort();
    await waiting;
    await pacing.run('https://other.example/', works.of('late'));
    works.end('running');
    await running;
    expect(works.begun).toEqual(['running']);
    expect(pacing.activeOrigins).toBe(0);
  });
});
