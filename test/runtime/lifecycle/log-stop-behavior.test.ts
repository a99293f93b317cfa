import { expect, test } from 'vitest';
import { checkServiceConfig } from '../../../src/runtime/config/check-config.js';
import { logStopBehavior } from '../../../src/runtime/lifecycle/log-stop-behavior.js';
import { recordingLogger } from '../../kit/recording-logger.js';

const service = (unsubscribeOnShutdown: boolean) => ({
  config: checkServiceConfig('News', { unsubscribeOnShutdown }),
  handlers: { onEventNotification() {} },
});

function linesAtStart(unsubscribeOnShutdown: boolean, isDurable: boolean, handlesSignals: boolean): readonly string[] {
  const logger = recordingLogger();
  logStopBehavior([service(unsubscribeOnShutdown)], { isDurable, handlesSignals }, logger);
  return logger.messages('info');
}

test('the start logs that a stop will unsubscribe, if the store is durable', () => {
  expect(linesAtStart(true, true, true)).toEqual([expect.stringMatching(/set unsubscribeOnShutdown: false/)]);
  expect(linesAtStart(true, false, true)).toEqual([]);
  expect(linesAtStart(false, true, true)).toEqual([]);
});

test('the start logs that the application must call runtime.stop(), if signals are not handled', () => {
  expect(linesAtStart(true, false, false)).toEqual([
    expect.stringMatching(/call runtime\.stop\(\) before the process ends/),
  ]);
  expect(linesAtStart(false, false, false)).toEqual([]);
});
