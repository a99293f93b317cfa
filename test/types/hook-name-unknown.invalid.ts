// Fails with TS2345.
import type { SubscriberRuntime } from '../../src/runtime/subscriber-runtime.js';

export const listen = ({ hooks }: SubscriberRuntime): unknown => hooks.on('verify', () => {});
