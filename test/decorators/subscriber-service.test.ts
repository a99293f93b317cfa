import { describe, expect, it, vi } from 'vitest';
import { SubscriberService } from '../../src/decorators/subscriber-service.js';
import { ConfigurationError } from '../../src/errors.js';
// Emitted constructor metadata needs imports of the classes as values.
// oxlint-disable-next-line typescript/consistent-type-imports
import { Logger } from '../../src/logger.js';
import { definitionOf } from '../../src/runtime/services/definition.js';
// oxlint-disable-next-line typescript/consistent-type-imports
import { SubscriberRuntime } from '../../src/runtime/subscriber-runtime.js';
import { delay, inject, injectable } from '../../src/runtime/services/tsyringe.js';
import { Archive, idleRuntime, listLogger, handlersOf } from './fixtures/running.js';

/** Calls a function without the compiler's checks. */
function untyped(call: unknown, ...args: readonly unknown[]): unknown {
  if (typeof call !== 'function') throw new TypeError('not a function');
  return call(...args);
}

describe('@SubscriberService', () => {
  it('stores the checked configuration of a class under its name', () => {
    @SubscriberService({ target: 'https://example.com/feed', leaseSeconds: 600 })
    class News {
      onEventNotification(): void {}
    }

    const definition = definitionOf(News);
    expect(definition.name).toBe('News');
    expect(definition.handlers).toBe(News);
    expect(definition.config).toMatchObject({ targets: ['https://example.com/feed'], leaseSeconds: 600 });
    expect(definition.declared).toEqual({ target: 'https://example.com/feed', leaseSeconds: 600 });
  });

  it('prefers the configured name over the class name', () => {
    @SubscriberService({ name: 'latest news' })
    class News {
      onEventNotification(): void {}
    }

    expect(definitionOf(News).name).toBe('latest news');
  });

  it('refuses an invalid configuration at the declaration of the class, and names the service', () => {
    expect(() => {
      @SubscriberService({ leaseSeconds: -5 })
      class News {
        onEventNotification(): void {}
      }
      return News;
    }).toThrow(
      new ConfigurationError('Service "News": leaseSeconds is -5; it must be a whole number of seconds, at least 1.'),
    );
  });

  it('does not decorate a class that it refuses', () => {
    class News {
      onEventNotification(): void {}
    }
    expect(() => SubscriberService({ servicePath: '..' })(News)).toThrow(ConfigurationError);
    SubscriberService()(News);
    expect(definitionOf(News).name).toBe('News');
  });

  it('refuses to decorate a class twice', () => {
    expect(() => {
      @SubscriberService({ target: 'https://example.com/a' })
      @SubscriberService({ target: 'https://example.com/b' })
      class News {
        onEventNotification(): void {}
      }
      return News;
    }).toThrow('Class "News" is decorated with @SubscriberService() twice. Use `targets`');
  });

  it('refuses a class without a name', () => {
    expect(() =>
      SubscriberService()(
        class {
          onEventNotification(): void {}
        },
      ),
    ).toThrow('A service class without a name requires `name` in its configuration');
  });

  it('needs a configured name if a static member `name` hides the class name', () => {
    class News {
      static readonly name = 5;
      onEventNotification(): void {}
    }
    expect(() => SubscriberService()(News)).toThrow('requires `name`');
  });

  it('refuses use without a call, and on anything but a class', () => {
    class News {
      onEventNotification(): void {}
    }
    expect(() => untyped(SubscriberService, News)).toThrow('Write @SubscriberService()');
    expect(() => untyped(SubscriberService(), News.prototype)).toThrow('can decorate only a class');
    expect(() => untyped(SubscriberService(), () => {}, { kind: 'method' })).toThrow('can decorate only a class');
  });

  it('does not pass a configuration on to a subclass, which needs its own decorator', () => {
    @SubscriberService({ target: 'https://example.com/feed' })
    class News {
      onEventNotification(): void {}
    }
    class Sports extends News {}

    expect(() => definitionOf(Sports)).toThrow('Class "Sports" is not a service: it extends the service "News"');
    SubscriberService()(Sports);
    expect(definitionOf(Sports).config.targets).toEqual([]);
  });
});

describe('the constructor of a decorated class', () => {
  it('gets logger, runtime and other classes by emitted metadata', () => {
    @SubscriberService()
    class News {
      constructor(
        readonly log: Logger,
        readonly runtime: SubscriberRuntime,
        readonly archive: Archive,
      ) {}
      onEventNotification(): void {}
    }

    const logger = listLogger();
    const runtime = idleRuntime();
    const news = handlersOf(News, logger, runtime);
    expect(news).toBeInstanceOf(News);
    expect(news).toMatchObject({ log: logger, runtime, archive: new Archive() });
  });

  it("gets the values named by tsyringe's parameter decorators", () => {
    @SubscriberService()
    class News {
      constructor(
        @inject(delay(() => Later)) readonly later: object,
        @inject('not registered', { isOptional: true }) readonly region = 'south',
      ) {}
      onEventNotification(): void {}
    }
    class Later {
      readonly answer = 42;
    }

    expect(handlersOf(News)).toMatchObject({ later: { answer: 42 }, region: 'south' });
  });

  it('gets the values named by `inject`, whatever the metadata says', () => {
    @SubscriberService({ inject: [Archive] })
    class News {
      constructor(
        readonly archive: object,
        readonly retries = 3,
      ) {}
      onEventNotification(): void {}
    }

    expect(handlersOf(News)).toMatchObject({ archive: new Archive(), retries: 3 });
  });

  it('gets classes that have constructor arguments themselves', () => {
    @injectable()
    class Reader {
      constructor(readonly archive: Archive) {}
    }
    @SubscriberService()
    class News {
      constructor(readonly reader: Reader) {}
      onEventNotification(): void {}
    }

    expect(handlersOf(News)).toMatchObject({ reader: { archive: new Archive() } });
  });

  it('is refused if `inject` names fewer values than it has arguments', () => {
    class News {
      constructor(
        readonly archive: Archive,
        readonly log: Logger,
      ) {}
      onEventNotification(): void {}
    }
    expect(() => SubscriberService({ inject: [Archive] })(News)).toThrow(
      'Service "News": inject names 1 of the constructor\'s 2 arguments; it must name all, in order.',
    );
  });

  it('is refused if the compiler emitted no metadata', () => {
    class News {
      constructor(readonly archive: Archive) {}
      onEventNotification(): void {}
    }
    expect(() => SubscriberService()(News)).toThrow(
      /^Service "News": constructor argument 1 cannot be injected, because the compiler emitted no metadata\. .*`inject: \[/,
    );
  });

  it('is refused if the metadata of an argument is not a class', () => {
    expect(() => {
      @SubscriberService()
      class News {
        constructor(
          readonly archive: Archive,
          readonly options: { readonly region: string },
        ) {}
        onEventNotification(): void {}
      }
      return News;
    }).toThrow(/argument 2 .* its type is Object at run time/);
  });

  it('is refused if the metadata of an optional argument is not a class, because tsyringe would construct it', () => {
    expect(() => {
      @SubscriberService()
      class News {
        constructor(readonly retries: number = 3) {}
        onEventNotification(): void {}
      }
      return News;
    }).toThrow(/argument 1 .* its type is Number at run time/);
  });

  it('is refused if parameter decorators name only some arguments', () => {
    class News {
      constructor(
        readonly archive: Archive,
        @inject(Archive) readonly other: Archive,
      ) {}
      onEventNotification(): void {}
    }
    Reflect.deleteMetadata('design:paramtypes', News);
    expect(() => SubscriberService()(News)).toThrow(/argument 1 .* its type is undefined at run time/);
  });

  it('is refused if it is inherited and has no metadata', () => {
    class Base {
      constructor(readonly archive: Archive) {}
    }
    class Middle extends Base {}
    class News extends Middle {
      onEventNotification(): void {}
    }
    expect(() => SubscriberService()(News)).toThrow(/argument 1 .* the compiler emitted no metadata/);
  });

  it('is accepted if it has no arguments, even if the base constructor has some', () => {
    class Base {
      constructor(readonly archive: Archive) {}
    }
    @SubscriberService()
    class News extends Base {
      constructor() {
        super(new Archive());
      }
      onEventNotification(): void {}
    }
    expect(handlersOf(News)).toMatchObject({ archive: new Archive() });
  });

  it('is inherited with its metadata by a subclass without a constructor', () => {
    @SubscriberService()
    class News {
      constructor(readonly archive: Archive) {}
      onEventNotification(): void {}
    }
    @SubscriberService()
    class Sports extends News {}

    expect(handlersOf(Sports)).toMatchObject({ archive: new Archive() });
  });
});

describe('another copy of this package in the process', () => {
  it('finds services declared with this copy, and checks their configuration itself', async () => {
    @SubscriberService({ target: 'https://example.com/feed' })
    class News {
      onEventNotification(): void {}
    }

    vi.resetModules();
    const copy = await import('../../src/runtime/services/definition.js');
    const definitionOfCopy: unknown = copy.definitionOf;
    expect(definitionOfCopy).not.toBe(definitionOf);
    const definition = copy.definitionOf(News);
    expect(definition).toMatchObject({
      name: 'News',
      handlers: News,
      config: { targets: ['https://example.com/feed'] },
    });
    expect(definition.config).not.toBe(definitionOf(News).config);
    expect(copy.definitionOf(News)).toBe(definition);
  });
});
