import { describe, expect, it, onTestFinished } from 'vitest';
import { defineSubscriber, startService, SubscriberService } from '../../../src/index.js';
import { misspelledHandlers } from '../../../src/runtime/config/misspelled-handlers.js';
import { recordingLogger } from '../../kit/recording-logger.js';

const onEventNotification = (): void => {};

describe('misspelled handlers', () => {
  it.each([
    ['one letter is missing', 'onSubscriptionVerfication', 'onSubscriptionVerification'],
    ['there is one letter too many', 'onHubErrors', 'onHubError'],
    ['three letters are wrong', 'onStartxyz', 'onStart'],
    ['the case differs', 'onhuberror', 'onHubError'],
    ['the prefix "on" is missing', 'shutdown', 'onShutdown'],
  ])('are found if %s', (_, method, handler) => {
    expect(misspelledHandlers({ onEventNotification, [method]: () => {} })).toEqual([{ method, handler }]);
  });

  it('are found once each among own methods, inherited methods and fields', () => {
    class Base {
      onHubErrors(): void {}
    }
    class Service extends Base {
      readonly onShutdwn = (): void => {};
      onEventNotification(): void {}
      override onHubErrors(): void {}
    }
    expect(misspelledHandlers(new Service())).toEqual([
      { method: 'onShutdwn', handler: 'onShutdown' },
      { method: 'onHubErrors', handler: 'onHubError' },
    ]);
  });

  it('do not include handlers, methods four edits away, fields without a function, or methods of Object', () => {
    const onStart = (): void => {};
    const onStartwxyz = (): void => {};
    expect(misspelledHandlers({ onEventNotification, onStart, onStartwxyz, onHubErrors: 1 })).toEqual([]);
  });

  it('do not include methods next to the real handler', () => {
    expect(misspelledHandlers({ onEventNotification, onStart: () => {}, onStarted: () => {} })).toEqual([]);
  });

  it('include methods next to a handler that is undefined', () => {
    const handlers = { onEventNotification, onStart: undefined, onStarted: () => {} };
    expect(misspelledHandlers(handlers)).toEqual([{ method: 'onStarted', handler: 'onStart' }]);
  });

  it('are logged once at the start, each with its handler, and the service starts', async () => {
    class Misspelled {
      onEventNotification(): void {}
      onHubErrors(): void {}
      onShutdwn(): void {}
    }
    SubscriberService({ name: 'decorated' })(Misspelled);
    const handlers = { onEventNotification, onStrat: () => {} };
    const plain = defineSubscriber({ name: 'plain' }, handlers);
    const logger = recordingLogger();
    const runtime = await startService([Misspelled, plain], { port: 0, store: 'memory', logger, handleSignals: false });
    onTestFinished(() => runtime.stop());
    expect(logger.logged('handler.misspelled')).toMatchObject([
      {
        level: 'warn',
        fields: { service: 'decorated', method: 'onHubErrors', handler: 'onHubError' },
      },
      {
        level: 'warn',
        fields: { service: 'decorated', method: 'onShutdwn', handler: 'onShutdown' },
      },
      {
        level: 'warn',
        fields: { service: 'plain', method: 'onStrat', handler: 'onStart' },
      },
    ]);
  });
});
