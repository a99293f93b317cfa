import type { DeliveryContext, DeliveryServices } from '../../src/delivery/delivery-context.js';
import type { DeliveryService } from '../../src/delivery/delivery-service.js';
import { subscriberHooks } from '../../src/delivery/hook-payloads.js';
import { Closing } from '../../src/engine/closing.js';
import { embeddedEngine } from '../../src/engine/embedded-engine.js';
import type { RecordStore } from '../../src/store/record-store.js';
import type { RequestPolicy } from '../../src/subscription/request-policy.js';
import type { ServicePolicies } from '../../src/subscription/subscription-context.js';
import { recordingLogger } from './recording-logger.js';

/**
 * The shared parts of a runtime for a test of one class. The clock stands still at 0, there are no services, and every
 * call of the store fails, unless the test gives other parts.
 */
export function testContext(parts: Partial<DeliveryContext> = {}): DeliveryContext {
  const { logger = recordingLogger(), now = () => 0 } = parts;
  return {
    now,
    random: () => 0.5,
    logger,
    store: UNUSED_STORE,
    engine: embeddedEngine({ now }),
    closing: new Closing(),
    hooks: subscriberHooks(logger),
    services: servicesWith(),
    maxBodyBytes: 1_048_576,
    storeTimeoutMs: 5_000,
    ...parts,
  };
}

/** Services that a test decides about at each call. */
export function servicesWith({
  get = () => undefined,
  policyOf = () => undefined,
  leavingPolicy,
  names = ['news'],
}: {
  readonly get?: (service: string) => DeliveryService | undefined;
  readonly policyOf?: (service: string) => RequestPolicy | undefined;
  readonly leavingPolicy?: RequestPolicy;
  readonly names?: readonly string[];
} = {}): ServicePolicies & DeliveryServices {
  return {
    get,
    policyOf,
    names,
    get leavingPolicy() {
      return leavingPolicy ?? policyOf('news') ?? unused();
    },
  };
}

/** A store with some operations. Every other call fails. */
export function storeWith(operations: Partial<RecordStore>): RecordStore {
  return { ...UNUSED_STORE, ...operations };
}

function unused(): never {
  throw new Error('the test does not use this part');
}

const rejected = async (): Promise<never> => unused();

const UNUSED_STORE: RecordStore = {
  location: 'nowhere',
  durable: false,
  get: rejected,
  set: rejected,
  write: rejected,
  delete: rejected,
  // oxlint-disable-next-line require-yield -- it fails before it has a record
  async *list() {
    unused();
  },
  close: async () => {},
};
