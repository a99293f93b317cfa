import { describe, expect, it } from 'vitest';
import type { Acknowledgement } from '../../../src/delivery/handler/acknowledgement.js';
import { callHandler } from '../../../src/delivery/handler/handlers.js';
import { InternalHubError } from '../../../src/subscription/hub-errors.js';
import type { ContentDistributionMessage } from '../../../src/delivery/message/message.js';

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the test does not read it
const event = {} as ContentDistributionMessage;
const onEventNotification = (): void => {};

describe('callHandler', () => {
  it('calls a handler as a method of its service, and returns its result', () => {
    class News {
      readonly #topic = 'feed';
      onEventNotification(): void {}
      onHubError(error: InternalHubError): Acknowledgement {
        return { body: { topic: this.#topic, reason: error.message } };
      }
    }
    const result = callHandler(new News(), 'onHubError', new InternalHubError('busy'));
    expect(result).toEqual({ body: { topic: 'feed', reason: 'busy' } });
  });

  it('returns undefined for an optional handler that the service does not have', () => {
    expect(callHandler({ onEventNotification }, 'onStart', undefined)).toBeUndefined();
  });

  it('throws for a required handler that was removed from the service', () => {
    const handlers = { onEventNotification };
    Reflect.deleteProperty(handlers, 'onEventNotification');
    expect(() => callHandler(handlers, 'onEventNotification', event)).toThrow('onEventNotification is not a function');
  });

  it('accepts only the argument type of the handler', () => {
    // @ts-expect-error -- this handler takes an event
    expect(callHandler({ onEventNotification }, 'onEventNotification', new Error('no event'))).toBeUndefined();
    // @ts-expect-error -- onStart takes a number, not a string
    expect(callHandler({ onEventNotification, onStart: (port: number) => void port }, 'onStart', '80')).toBeUndefined();
    // @ts-expect-error -- this handler does not exist
    expect(callHandler({ onEventNotification }, 'onStarted', undefined)).toBeUndefined();
  });
});
