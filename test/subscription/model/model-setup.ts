import type { SubscriptionRecord } from '../../../src/subscription/record/record.js';
import type { RequestPolicy } from '../../../src/subscription/request-policy.js';
import type { HubModel } from './hub-model.js';
import { DAY } from '../machine/subscription-machine.js';
import type { SubscriberProcess } from './subscriber-process.js';
import type { Timeline } from '../machine/timeline.js';

/** The id of the only subscription. */
export const ID = 'the subscription';

/** The longest lease that is accepted as it is. */
export const LONGEST_LEASE_MS = 12 * DAY;

/** The settings of a whole run. */
export interface Setup {
  readonly seed: number;
  /** The value of every random number, if set. Two runs can then be compared. */
  readonly random?: number;
  readonly hubs: 'failover' | 'all';
  readonly maxAttempts: number;
  readonly protocol: 'websub' | 'pubsubhubbub-0.3';
  /** Whether hub and topic are configured, so that nothing is discovered. */
  readonly isGiven: boolean;
  readonly afterDenial: 'retry' | 'stop';
  readonly rotateSecret: 'never' | 'renewal';
  readonly rotateCallback: 'never' | 'renewal';
  /** How long each request and discovery waits before it is sent, in seconds, because others are sent first. */
  readonly paceSeconds: number;
  /** Whether the forger continues when everything else works. */
  readonly forgerStays: boolean;
}

/** The world as the watches see it. */
export interface Watched {
  readonly setup: Setup;
  readonly timeline: Timeline;
  readonly hubs: readonly HubModel[];
  readonly process: SubscriberProcess | undefined;
  readonly record: SubscriptionRecord | undefined;
  readonly policy: RequestPolicy;
  /** The subscriber's time, and how far its clock is off. */
  readonly now: number;
  readonly skew: number;
  /** The base URL of its callbacks. */
  readonly base: string;
  readonly note: (what: string) => void;
}

/** Records a violation if the condition is false. */
export type Expect = (isRight: boolean, violation: string) => void;
