import { describe, expect, it } from 'vitest';
import { defineSubscriber } from '../../../src/decorators/define-subscriber.js';
import { SubscriberService } from '../../../src/decorators/subscriber-service.js';
import { ConfigurationError } from '../../../src/errors.js';
import { definitionOf, definitionsOf } from '../../../src/runtime/services/definition.js';

/** Calls `definitionOf` without the compiler's checks. */
const untyped: (service: unknown) => unknown = Function.prototype.call.bind(definitionOf, undefined);

@SubscriberService()
class News {
  onEventNotification(): void {}
}

describe('definitionOf', () => {
  it('refuses a class that is not decorated, and says how to make it a service', () => {
    class Plain {
      onEventNotification(): void {}
    }
    expect(() => definitionOf(Plain)).toThrow(ConfigurationError);
    expect(() => definitionOf(Plain)).toThrow(
      /^Class "Plain" is not a service\. Decorate it with @SubscriberService\(\)/,
    );
  });

  it.each([
    [
      'handlers without defineSubscriber',
      { onEventNotification: () => {} },
      /^The service is an object; .*Wrap handlers in defineSubscriber/,
    ],
    ['a string', 'News', /^The service is a string; (?!.*Wrap handlers)/],
    ['null', null, /^The service is null; (?!.*Wrap handlers)/],
  ])('refuses %s', (_, service, message) => {
    expect(() => untyped(service)).toThrow(message);
  });

  it('refuses metadata that is not a definition', () => {
    class Foreign {
      onEventNotification(): void {}
    }
    Reflect.defineMetadata(Symbol.for('websub-subscriber:service'), { name: 'Foreign' }, Foreign);
    expect(() => definitionOf(Foreign)).toThrow('Class "Foreign" is not a service');
  });
});

describe('definitionsOf', () => {
  it('accepts one service or several, in order', () => {
    const other = defineSubscriber({ name: 'other' }, News);
    expect(definitionsOf(News).map(({ name }) => name)).toEqual(['News']);
    expect(definitionsOf([other, News]).map(({ name }) => name)).toEqual(['other', 'News']);
  });

  it('refuses two services with the same name', () => {
    expect(() => definitionsOf([News, defineSubscriber({}, News)])).toThrow('Two services are named "News"');
    expect(() => definitionsOf([News, News])).toThrow('Two services are named "News"');
  });

  it('refuses an empty list of services', () => {
    expect(() => definitionsOf([])).toThrow('There is no service to start');
  });
});
