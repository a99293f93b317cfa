import { expect, test } from 'vitest';
import { checkServiceConfig } from '../../../src/runtime/config/check-config.js';
import { logStopBehavior } from '../../../src/runtime/lifecycle/log-stop-behavior.js';
import { recordingLogger } from '../../kit/recording-logger.js';

const service = (unsubscribeOnShutdown: boolean) => ({
  config: checkServiceConfig('News', { unsubscribeOnShutdown }),
  handlers: { onEventNotification() {} },
});

function eventsAtStart(
  unsubscribeOnShutdown: boolean,
  isDurable: boolean,
  handlesSignals: boolean,
): readonly unknown[] {
  const logger = recordingLogger();
  logStopBehavior([service(unsubscribeOnShutdown)], { isDurable, handlesSignals }, logger);
  expect(logger.lines).toEqual(logger.lines.map((line) => ({ ...line, fields: { services: ['News'] } })));
  return logger.events('info');
}

test('the start logs that a stop will unsubscribe, if the store is durable', () => {
  expect(eventsAtStart(true, true, true)).toEqual(['shutdown.unsubscribes']);
  expect(eventsAtStart(true, false, true)).toEqual([]);
  expect(eventsAtStart(false, true, true)).toEqual([]);
});

test('the start logs that the application must call runtime.stop(), if signals are not handled', () => {
  expect(eventsAtStart(true, false, false)).toEqual(['signals.not-handled']);
  expect(eventsAtStart(false, false, false)).toEqual([]);
});
