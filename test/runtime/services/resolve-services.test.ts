import { describe, expect, it } from 'vitest';
import { defineSubscriber } from '../../../src/decorators/define-subscriber.js';
import { SubscriberService } from '../../../src/decorators/subscriber-service.js';
import { ConfigurationError } from '../../../src/errors.js';
// Emitted constructor metadata needs imports of the classes as values.
// oxlint-disable-next-line typescript/consistent-type-imports
import { Logger } from '../../../src/logger.js';
import { resolveServices } from '../../../src/runtime/services/resolve-services.js';
import { definitionsOf } from '../../../src/runtime/services/definition.js';
import { container as root, injectable } from '../../../src/runtime/services/tsyringe.js';
import type { ServiceReference } from '../../../src/runtime/subscriber-runtime.js';
import { Archive, idleRuntime, listLogger } from '../../decorators/fixtures/running.js';

@SubscriberService()
class News {
  constructor(
    readonly log: Logger,
    readonly archive: Archive,
  ) {}
  onEventNotification(): void {}
}

@SubscriberService()
class Digest {
  constructor(readonly news: News) {}
  onEventNotification(): void {}
}

const resolve = (services: readonly ServiceReference[], parent = root, logger: Logger = listLogger()) =>
  resolveServices(definitionsOf(services), parent, { logger, runtime: idleRuntime() });

function failure(services: readonly ServiceReference[]): unknown {
  try {
    return resolve(services);
  } catch (error) {
    return error;
  }
}

describe('services', () => {
  it('are constructed once per runtime, even if one is injected into another', () => {
    const services = resolve([Digest, News]);
    const news = services.get('News');
    expect(news).toBeInstanceOf(News);
    expect(services.get('Digest')).toHaveProperty('news', news);
  });

  it('are constructed once per runtime if they use `inject`', () => {
    const reader = defineSubscriber({ name: 'reader', inject: [Archive] }, Indexer);
    const services = resolve([Binder, reader]);
    expect(services.get('Binder')).toHaveProperty('indexer', services.get('reader'));
  });

  it('are constructed again in another runtime, with its logger', () => {
    const [logger, otherLogger] = [listLogger(), listLogger()];
    const news = resolve([News], root, logger).get('News');
    const otherNews = resolve([News], root, otherLogger).get('News');
    expect(news).toHaveProperty('log', logger);
    expect(otherNews).toHaveProperty('log', otherLogger);
  });

  it("leave no registration in the user's container", () => {
    const parent = root.createChildContainer();
    resolve([News], parent);
    expect(parent.isRegistered(News, true)).toBe(false);
  });

  it("get dependencies from the user's container", () => {
    const parent = root.createChildContainer();
    const archive = new Archive();
    parent.registerInstance(Archive, archive);
    expect(resolve([News], parent).get('News')).toHaveProperty('archive', archive);
  });

  it("are resolved from the user's container if it registers them", () => {
    const parent = root.createChildContainer();
    const news = new News(listLogger(), new Archive());
    parent.registerInstance(News, news);
    expect(resolve([News], parent).get('News')).toBe(news);
  });

  it('are resolved from the root container of tsyringe by default', () => {
    const services = resolveServices(definitionsOf(News), undefined, { logger: listLogger(), runtime: idleRuntime() });
    expect(services.get('News')).toBeInstanceOf(News);
  });

  it('throw a ConfigurationError with a cause if they cannot be constructed', () => {
    const error = failure([defineSubscriber({ name: 'news', inject: ['no such token'] }, Indexer)]);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error).toMatchObject({
      message: expect.stringMatching(/^Service "news" could not be constructed: .*"no such token"/),
      cause: expect.any(Error),
    });
  });

  it('throw an error on one line that names the dependency which cannot be constructed', () => {
    @SubscriberService()
    class Broken {
      constructor(readonly reader: Reader) {}
      onEventNotification(): void {}
    }
    expect(failure([Broken])).toMatchObject({
      message: expect.stringMatching(
        /^Service "Broken" could not be constructed: [^\n]*"reader"[^\n]*disk is full[^\n]*$/,
      ),
    });
  });

  it('are refused if their constructor throws a value that is not an error', () => {
    class Thrower {
      constructor() {
        // oxlint-disable-next-line typescript/only-throw-error
        throw 'no news today';
      }
      onEventNotification(): void {}
    }
    expect(failure([defineSubscriber({}, Thrower)])).toMatchObject({
      message: 'Service "Thrower" could not be constructed: no news today',
      cause: 'no news today',
    });
  });

  it('are refused after construction if onEventNotification is missing or a handler is not a function', () => {
    class Empty {
      onEventNotification: () => void = () => {};
      onStart: unknown;
      constructor(readonly handlers: object) {
        Object.assign(this, handlers);
      }
    }
    for (const [handlers, message] of [
      [{ onEventNotification: undefined }, 'Service "empty" has no method onEventNotification. Add it'],
      [{ onStart: 'at nine' }, 'Service "empty": onStart is a string; it must be a method.'],
    ] as const) {
      const token = Symbol('handlers');
      root.registerInstance<object>(token, handlers);
      const Untyped: unknown = Empty;
      const service = Reflect.apply(defineSubscriber, undefined, [{ name: 'empty', inject: [token] }, Untyped]);
      expect(() => resolve([service])).toThrow(message);
    }
  });
});

class Indexer {
  constructor(readonly archive: Archive) {}
  onEventNotification(): void {}
}

@SubscriberService({ inject: [Indexer] })
class Binder {
  constructor(readonly indexer: object) {}
  onEventNotification(): void {}
}

@injectable()
class Reader {
  readonly count = 0;
  constructor() {
    throw new Error('disk is full');
  }
}
