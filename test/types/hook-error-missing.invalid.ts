// Fails with TS18048.
import type { SubscriberRuntime } from '../../src/runtime/subscriber-runtime.js';

export const listen = ({ hooks }: SubscriberRuntime): unknown => hooks.on('delivered', ({ error }) => error.message);
