// Fails with TS2339.
import type { SubscriberRuntime } from '../../src/runtime/subscriber-runtime.js';

export const listen = ({ hooks }: SubscriberRuntime): unknown => hooks.on('rejected', ({ event }) => event?.id);
