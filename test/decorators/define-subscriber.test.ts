import { describe, expect, it } from 'vitest';
import { defineSubscriber } from '../../src/decorators/define-subscriber.js';
import { SubscriberService } from '../../src/decorators/subscriber-service.js';
import { definitionOf, definitionsOf } from '../../src/runtime/services/definition.js';
import { Archive, handlersOf } from './fixtures/running.js';

class News {
  onEventNotification(): void {}
}

/** Calls `defineSubscriber` without the compiler's checks. */
const untyped: (...args: readonly unknown[]) => unknown = Function.prototype.call.bind(defineSubscriber, undefined);

describe('defineSubscriber', () => {
  it('creates a service from an object with handlers', () => {
    const handlers = { onEventNotification: () => {} };
    const service = defineSubscriber({ name: 'news', target: 'https://example.com/feed' }, handlers);

    expect(service).toEqual({ kind: 'subscriber', name: 'news' });
    expect(definitionOf(service)).toMatchObject({ name: 'news', config: { targets: ['https://example.com/feed'] } });
    expect(handlersOf(service)).toBe(handlers);
  });

  it('creates a service from a class, without changing the class', () => {
    const service = defineSubscriber({}, News);

    expect(service.name).toBe('News');
    expect(handlersOf(service)).toBeInstanceOf(News);
    expect(() => definitionOf(News)).toThrow('Class "News" is not a service');
  });

  it('creates several services from one class, each with its own constructor arguments', () => {
    class Reader {
      constructor(readonly source: object) {}
      onEventNotification(): void {}
    }
    class Other {
      readonly count = 0;
    }
    const first = defineSubscriber({ name: 'first', inject: [Archive] }, Reader);
    const second = defineSubscriber({ name: 'second', inject: [Other] }, Reader);

    expect(handlersOf(first)).toMatchObject({ source: new Archive() });
    expect(handlersOf(second)).toMatchObject({ source: new Other() });
  });

  it('creates a second service from a decorated class, with its own configuration', () => {
    @SubscriberService({ leaseSeconds: 60 })
    class Decorated extends News {}
    const service = defineSubscriber({ name: 'second' }, Decorated);

    expect(definitionsOf([Decorated, service]).map(({ config }) => config.leaseSeconds)).toEqual([60, undefined]);
  });

  it.each([
    ['of its class', new News(), 'News'],
    [
      '"subscriber" if its class has no name',
      new (class {
        readonly count = 0;
      })(),
      'subscriber',
    ],
    ['"subscriber" if it is a plain object', { onEventNotification: () => {} }, 'subscriber'],
    [
      '"subscriber" if it has no prototype',
      Object.assign(Object.create(null), new News(), News.prototype),
      'subscriber',
    ],
  ])('gives an object with handlers the name %s', (_, handlers, name) => {
    const withHandler = Object.assign(handlers, { onEventNotification: () => {} });
    expect(defineSubscriber({}, withHandler).name).toBe(name);
  });

  it('refuses an invalid configuration', () => {
    expect(() => defineSubscriber({ servicePath: 'a//b' }, { onEventNotification: () => {} })).toThrow(
      'Service "subscriber": servicePath is "a//b"',
    );
  });

  it('refuses a misspelled onEventNotification on an object or its class, and names the method', () => {
    const message = 'Service "x" has no method onEventNotification. Rename onEventNotificaton to onEventNotification.';
    class Misspelled {
      onEventNotificaton(): void {}
    }
    expect(() => untyped({ name: 'x' }, { onEventNotificaton: () => {} })).toThrow(message);
    expect(() => untyped({ name: 'x' }, new Misspelled())).toThrow(message);
  });

  it('accepts other methods with any name', () => {
    const handlers = {
      onEventNotification: () => {},
      onStop: () => {},
      once: () => {},
      onStarts: () => {},
      onStart: () => {},
    };
    expect(handlersOf(defineSubscriber({ name: 'x' }, handlers))).toBe(handlers);
  });

  it('refuses values that are not handlers, or not a configuration', () => {
    expect(() => untyped({ name: 'x' }, {})).toThrow('Service "x" has no method onEventNotification');
    expect(() => untyped({ name: 'x' }, null)).toThrow('Service "x": the handlers are null; they must be an object');
    expect(() => untyped(null, { onEventNotification: () => {} })).toThrow('the configuration is null');
  });
});
