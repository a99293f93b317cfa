import { readFileSync } from 'node:fs';
import type { SubscriberServiceConfig, SubscriptionState, SubscriptionTarget } from 'websub-subscriber';

export type StoreKind = 'lmdb' | 'redis' | 'postgres' | 'mysql';

/** A grant as 0.1.0 showed it, and what its hub was given. Times are epoch milliseconds. */
export interface OldGrant {
  readonly id: string;
  readonly state: SubscriptionState;
  readonly hub: string;
  readonly topic: string;
  readonly callback: string;
  readonly expiresAt?: number;
  /** The oldest first. */
  readonly secrets: readonly string[];
  readonly verifyToken?: string;
}

/** A subscription as 0.1.0 showed it. */
export interface OldSubscription {
  readonly id: string;
  readonly service: string;
  readonly target: SubscriptionTarget;
  readonly declared: boolean;
  readonly desired: 'subscribed' | 'unsubscribed';
  readonly state: SubscriptionState;
  readonly stats: Readonly<Record<string, number | string>>;
  readonly grants: readonly OldGrant[];
}

/** An event that 0.1.0 left in the inbox. */
export interface OldEvent {
  readonly id: string;
  readonly service: string;
  readonly subscriptionId: string;
  /** Runs of the handler that had failed. */
  readonly attempts: number;
  /** The first 40 characters. */
  readonly text: string;
  /** Of the bytes as they were sent. */
  readonly sha256: string;
}

/** What a store of 0.1.0 must be read as. */
export interface Expected {
  /** When the runtime stopped. */
  readonly now: number;
  readonly subscriptions: readonly OldSubscription[];
  readonly waiting: readonly OldEvent[];
  readonly deadLetters: readonly Pick<OldEvent, 'id' | 'service' | 'subscriptionId' | 'text'>[];
}

const FOLDER = new URL('../../fixtures/store-0.1.0/', import.meta.url);

/** A file of the fixture. */
export function fixtureFile(path: string): Buffer {
  return readFileSync(new URL(path, FOLDER));
}

/** What the runtime of 0.1.0 said of a store at the end. */
export function expectedOf(kind: StoreKind, moved: Moved = unmoved): Expected {
  const expected: Expected = JSON.parse(moved(fixtureFile(`${kind}/expected.json`).toString()));
  return expected;
}

/** The configurations that the store was written with. */
export function oldConfigs(moved: Moved = unmoved): readonly SubscriberServiceConfig[] {
  return JSON.parse(moved(fixtureFile('services.json').toString()));
}

/** A text of the fixture in which its hubs lie at other ports. */
export type Moved = (text: string) => string;

const unmoved: Moved = (text) => text;

/**
 * Hubs of the fixture at other ports, so that runs of the tests that go on at the same time do not meet.
 *
 * @param ports each of as many digits as the one in the fixture, so that the files keep their length
 */
export function movedTo(ports: readonly (readonly [from: number, to: number | undefined])[]): Moved {
  return (text) => {
    let moved = text;
    for (const [from, to = from] of ports) {
      if (String(to).length !== String(from).length) throw new Error(`port ${to} has not as many digits as ${from}`);
      moved = moved.replaceAll(`127.0.0.1:${from}`, `127.0.0.1:${to}`);
    }
    return moved;
  };
}
