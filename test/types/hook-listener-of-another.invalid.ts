// Fails with TS2345.
import type { HookListener } from '../../src/delivery/hook-payloads.js';
import type { SubscriberRuntime } from '../../src/runtime/subscriber-runtime.js';

export const listen = ({ hooks }: SubscriberRuntime, listener: HookListener<'rejected'>): unknown =>
  hooks.on('verified', listener);
