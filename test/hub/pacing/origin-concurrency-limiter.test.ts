import { describe, expect, it } from 'vitest';
import { OriginConcurrencyLimiter } from '../../../src/hub/pacing/origin-concurrency-limiter.js';
import { deferred, type Deferred } from '../../kit/deferred.js';

const HUB = 'https://hub.example.com/';

/** Starts work that runs until the test ends it, and records what has started. */
class ControlledWork {
  readonly started: string[] = [];
  readonly #ends = new Map<string, Deferred<void>>();

  readonly of = (name: string) => (): Promise<void> => {
    this.started.push(name);
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
  const controller = new AbortController();
  return { controller, limiter: new OriginConcurrencyLimiter(limit, controller.signal), work: new ControlledWork() };
}

async function microtasks(): Promise<void> {
  for (let count = 0; count < 10; count += 1) await Promise.resolve();
}

describe('the concurrency limiter of origins', () => {
  it('L5 limits the work in flight at one origin, and starts further work in order', async () => {
    const { limiter, work } = setUp(2);
    for (const name of ['a', 'b', 'c', 'd', 'e']) void limiter.run(`${HUB}${name}`, work.of(name));
    expect(work.started).toEqual(['a', 'b']);
    work.end('b');
    await microtasks();
    expect(work.started).toEqual(['a', 'b', 'c']);
    work.end('a');
    work.end('c');
    await microtasks();
    expect(work.started).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('L5 lets no origin wait for another, and distinguishes origins by scheme, host and port', () => {
    const { limiter, work } = setUp(1);
    const urls = ['https://a.example/', 'http://a.example/', 'https://a.example:444/', 'https://b.example/', 'no URL'];
    for (const url of urls) void limiter.run(url, work.of(url));
    void limiter.run('https://a.example:443/another', work.of('the same'));
    expect(work.started).toEqual(urls);
  });

  it('rejects with the error of failed work, and gives its slot to the next', async () => {
    const { limiter, work } = setUp(1);
    const failing = limiter.run(HUB, work.of('failing'));
    const next = limiter.run(HUB, work.of('next'));
    work.fail('failing');
    await expect(failing).rejects.toThrow('failing failed');
    expect(work.started).toEqual(['failing', 'next']);
    work.end('next');
    await next;
  });

  it('runs work after a queue was emptied, and forgets idle origins', async () => {
    const { limiter, work } = setUp(1);
    const first = [limiter.run(HUB, work.of('a')), limiter.run(HUB, work.of('b'))];
    work.end('a');
    await microtasks();
    work.end('b');
    await Promise.all(first);
    expect(limiter.activeOrigins).toBe(0);
    const second = [limiter.run(HUB, work.of('c')), limiter.run(HUB, work.of('d'))];
    expect(work.started).toEqual(['a', 'b', 'c']);
    expect(limiter.activeOrigins).toBe(1);
    work.end('c');
    await microtasks();
    work.end('d');
    await Promise.all(second);
    expect(work.started).toEqual(['a', 'b', 'c', 'd']);
  });

  it('drops waiting work when it is aborted, and starts no work afterwards', async () => {
    const { limiter, work, controller } = setUp(1);
    const running = limiter.run(HUB, work.of('running'));
    const waiting = limiter.run(HUB, work.of('waiting'));
    controller.abort();
    await waiting;
    await limiter.run('https://other.example/', work.of('late'));
    work.end('running');
    await running;
    expect(work.started).toEqual(['running']);
    expect(limiter.activeOrigins).toBe(0);
  });
});
