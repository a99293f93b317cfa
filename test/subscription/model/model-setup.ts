import type { SubscriptionRecord } from '../../../src/subscription/record/record.js';
import type { HubModel } from './hub-model.js';
import { DAY } from '../machine/life.js';
import type { SubscriberProcess } from './subscriber-process.js';
import type { Timeline } from '../machine/timeline.js';

/** The subscription there is. */
export const ID = 'the subscription';

/** The longest lease that is taken as it is. */
export const LONGEST_LEASE_MS = 12 * DAY;

/** What stays as it is for a whole run. */
export interface Setup {
  readonly seed: number;
  /** Every random number, if all are the same: two runs can then be compared. */
  readonly random?: number;
  readonly hubs: 'failover' | 'all';
  readonly maxAttempts: number;
  readonly protocol: 'websub' | 'pubsubhubbub-0.3';
  /** Whether hub and topic are given, so that nothing is discovered. */
  readonly isGiven: boolean;
  readonly afterDenial: 'retry' | 'stop';
  readonly rotateSecret: 'never' | 'renewal';
  readonly rotateCallback: 'never' | 'renewal';
  /** Whether the forger goes on when all else is well. */
  readonly forgerStays: boolean;
}

/** What is looked at. */
export interface Watched {
  readonly setup: Setup;
  readonly timeline: Timeline;
  readonly hubs: readonly HubModel[];
  readonly process: SubscriberProcess | undefined;
  readonly record: SubscriptionRecord | undefined;
  /** The subscriber's time, and how far it is off. */
  readonly now: number;
  readonly skew: number;
  /** What its callbacks begin with. */
  readonly base: string;
  readonly note: (what: string) => void;
}

/** Notes what is wrong. */
export type Expect = (isRight: boolean, what: string) => void;
