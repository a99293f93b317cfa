import * as fc from 'fast-check';
import type { Intent } from './hub-model.js';
import type { ModelWorld } from './model-world.js';

/** A request that a forger who knows a callback can send there. The topic is the right one by default. */
export interface ForgedRequest {
  readonly kind: 'subscribe' | 'unsubscribe' | 'denied' | 'hub-error' | 'unsigned content';
  readonly lease?: string | undefined;
  readonly topic?: string;
  readonly challenge?: string;
}

/** Forged requests, repeated over time. */
export interface ForgedSeries {
  readonly forgedRequests: readonly ForgedRequest[];
  /** How many copies of each are sent at the same moment. */
  readonly copies: number;
  readonly times: number;
  readonly everySeconds: number;
  /** The index of the callback. A number past the last one means every callback. */
  readonly which: number;
}

const YEAR = '31536000';
const FOREIGN = 'https://publisher.example/other';

const verification: fc.Arbitrary<ForgedRequest> = fc.record({
  kind: fc.constant('subscribe'),
  lease: fc.constantFrom('1', '1', '10', '600', '86400', '864000', YEAR, YEAR, '0', '-1', 'soon', undefined),
});

const forgedRequest: fc.Arbitrary<ForgedRequest> = fc.oneof(
  { weight: 6, arbitrary: verification },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom('denied', 'denied', 'denied', 'hub-error', 'unsubscribe', 'unsigned content'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('subscribe', 'denied', 'hub-error'), topic: fc.constant(FOREIGN) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('subscribe'), challenge: fc.constantFrom('', '%3Cb%3E') }) },
);

export const forgedSeries: fc.Arbitrary<ForgedSeries> = fc.record({
  forgedRequests: fc.array(forgedRequest, { minLength: 1, maxLength: 3 }),
  copies: fc.constantFrom(1, 1, 1, 5),
  times: fc.constantFrom(1, 1, 1, 3, 20),
  everySeconds: fc.constantFrom(1, 5, 61, 130, 3_601),
  which: fc.nat(5),
});

/** Only verifications, for all callbacks. */
export const verifications: fc.Arbitrary<ForgedSeries> = fc.record({
  forgedRequests: fc.array(verification, { minLength: 1, maxLength: 2 }),
  copies: fc.constantFrom(1, 3),
  times: fc.constantFrom(1, 3, 20),
  everySeconds: fc.constantFrom(1, 5, 61, 600),
  which: fc.constant(99),
});

/** Starts the forger. The first requests are sent at once. */
export function forge(world: ModelWorld, { forgedRequests, copies, times, everySeconds, which }: ForgedSeries): void {
  const send = (): void => {
    const { grants } = world.record ?? { grants: [] };
    const chosen = grants[which];
    const targets = chosen === undefined ? grants : [chosen];
    world.watch.beforeForgery(forgedRequests);
    for (const { callback, topic } of targets) {
      for (const each of forgedRequests) {
        for (let count = 0; count < copies; count += 1) sendOne(world, each, { callback, topic });
      }
    }
  };
  send();
  for (let time = 1; time < times; time += 1) world.timeline.after(time * everySeconds * 1000, send);
}

function sendOne(world: ModelWorld, request: ForgedRequest, grant: Pick<Intent, 'callback' | 'topic'>): void {
  const { process } = world;
  if (process === undefined) return;
  const { kind } = request;
  if (kind === 'unsigned content') {
    process.content(grant.callback, null);
    return;
  }
  const { lease, topic = grant.topic, challenge } = request;
  void process.answer({ callback: grant.callback, topic, lease, challenge, mode: kind });
}
