import { onTestFinished } from 'vitest';
import { TestHub, type TestHubOptions } from '../../src/testing/index.js';

/** Starts a hub and closes it after the test. */
export async function startHub(options?: TestHubOptions): Promise<TestHub> {
  const hub = await TestHub.start(options);
  onTestFinished(() => hub.close());
  return hub;
}
