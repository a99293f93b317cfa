import { describe, expect, it } from 'vitest';
import { defineSubscriber } from '../../src/decorators/define-subscriber.js';
import { SubscriberService } from '../../src/decorators/subscriber-service.js';
import { definitionOf, definitionsOf } from '../../src/runtime/services/definition.js';
import { Archive, started } from './fixtures/running.js';

class News {
  onEventNotification(): void {}
}

/** A call as one without a compiler would make it. */
const untyped: (...args: readonly unknown[]) => unknown = Function.prototype.call.bind(defineSubscriber, undefined);

describe('defineSubscriber', () => {
  it('makes a service of an object with handlers', () => {
    const handlers = { onEventNotification: () => {} };
    const service = defineSubscriber({ name: 'news', target: 'https://example.com/feed' }, handlers);

    expect(service).toEqual({ kind: 'subscriber', name: 'news' });
    expect(definitionOf(service)).toMatchObject({ name: 'news', config: { targets: ['https://example.com/feed'] } });
    expect(started(service)).toBe(handlers);
  });

  it('makes a service of a class, without touching the class', () => {
    const service = defineSubscriber({}, News);

    expect(service.name).toBe('News');
    expect(started(service)).toBeInstanceOf(News);
    expect(() => definitionOf(News)).toThrow('Class "News" is not a service');
  });

  it('makes several services of one class, each with what it is to be constructed with', () => {
    class Reader {
      constructor(readonly from: object) {}
      onEventNotification(): void {}
    }
    class Other {
      readonly kept = 0;
    }
    const first = defineSubscriber({ name: 'first', inject: [Archive] }, Reader);
    const second = defineSubscriber({ name: 'second', inject: [Other] }, Reader);

    expect(started(first)).toMatchObject({ from: new Archive() });
    expect(started(second)).toMatchObject({ from: new Other() });
  });

  it('makes a second service of a decorated class, with a configuration of its own', () => {
    @SubscriberService({ leaseSeconds: 60 })
    class Decorated extends News {}
    const service = defineSubscriber({ name: 'second' }, Decorated);

    expect(definitionsOf([Decorated, service]).map(({ config }) => config.leaseSeconds)).toEqual([60, undefined]);
  });

  it.each([
    ['the name of its class', new News(), 'News'],
    [
      '"subscriber" for an instance of a class without one',
      new (class {
        readonly kept = 0;
      })(),
      'subscriber',
    ],
    ['"subscriber" for a plain object', { onEventNotification: () => {} }, 'subscriber'],
    ['"subscriber" without a prototype', Object.assign(Object.create(null), new News(), News.prototype), 'subscriber'],
  ])('takes as the name of an object with handlers %s', (_, handlers, name) => {
    const withHandler = Object.assign(handlers, { onEventNotification: () => {} });
    expect(defineSubscriber({}, withHandler).name).toBe(name);
  });

  it('refuses a wrong configuration', () => {
    expect(() => defineSubscriber({ servicePath: 'a//b' }, { onEventNotification: () => {} })).toThrow(
      'Service "subscriber": servicePath is "a//b"',
    );
  });

  it('refuses handlers with a misspelled onEventNotification, their own or their class’s, and names the method', () => {
    const message =
      'Service "x" has no method onEventNotification; rename onEventNotificaton, which is nearly its name.';
    class Misspelled {
      onEventNotificaton(): void {}
    }
    expect(() => untyped({ name: 'x' }, { onEventNotificaton: () => {} })).toThrow(message);
    expect(() => untyped({ name: 'x' }, new Misspelled())).toThrow(message);
  });

  it('leaves methods of its own to a service, whatever they begin with', () => {
    const own = {
      onEventNotification: () => {},
      onStop: () => {},
      once: () => {},
      onStarts: () => {},
      onStart: () => {},
    };
    expect(started(defineSubscriber({ name: 'x' }, own))).toBe(own);
  });

  it('refuses handlers that are none', () => {
    expect(() => untyped({ name: 'x' }, {})).toThrow('Service "x" has no method onEventNotification');
    expect(() => untyped({ name: 'x' }, null)).toThrow('Service "x": its handlers are not an object');
    expect(() => untyped(null, { onEventNotification: () => {} })).toThrow('the configuration is null');
  });
});
