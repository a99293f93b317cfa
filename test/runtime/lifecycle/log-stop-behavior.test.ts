import { expect, test } from 'vitest';
import { checkServiceConfig } from '../../../src/runtime/config/check-config.js';
import { logStopBehavior } from '../../../src/runtime/lifecycle/log-stop-behavior.js';
import { recordingLogger } from '../../kit/recording-logger.js';

const service = (unsubscribeOnShutdown: boolean) => ({
  config: checkServiceConfig('News', { unsubscribeOnShutdown }),
  handlers: { onEventNotification() {} },
});

function notes(unsubscribes: boolean, isDurable: boolean, handlesSignals: boolean): readonly string[] {
  const logger = recordingLogger();
  logStopBehavior([service(unsubscribes)], { isDurable, handlesSignals }, logger);
  return logger.said('info');
}

test('a durable store, whose subscriptions a stop ends, is told of at start', () => {
  expect(notes(true, true, true)).toEqual([expect.stringMatching(/set unsubscribeOnShutdown: false/)]);
  expect(notes(true, false, true)).toEqual([]);
  expect(notes(false, true, true)).toEqual([]);
});

test('an application that has to call runtime.stop() by itself is told at start', () => {
  expect(notes(true, false, false)).toEqual([expect.stringMatching(/call runtime\.stop\(\) before the process ends/)]);
  expect(notes(false, false, false)).toEqual([]);
});
