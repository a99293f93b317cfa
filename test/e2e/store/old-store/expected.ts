import { readFileSync } from 'node:fs';
import type { SubscriberServiceConfig, SubscriptionState, SubscriptionTarget } from 'websub-subscriber';

export type StoreKind = 'lmdb' | 'redis' | 'postgres' | 'mysql';

/** A grant as 0.1.0 showed it, with the callback and secrets its hub got. Times are epoch milliseconds. */
export interface OldGrant {
  readonly id: string;
  readonly state: SubscriptionState;
  readonly hub: string;
  readonly topic: string;
  readonly callback: string;
  readonly expiresAt?: number;
  /** Oldest first. */
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
  /** Failed runs of the handler. */
  readonly attempts: number;
  /** The first 40 characters. */
  readonly text: string;
  /** Hash of the bytes as they were sent. */
  readonly sha256: string;
}

/** The expected contents of a store of 0.1.0. */
export interface Expected {
  /** The time at which the runtime stopped. */
  readonly now: number;
  readonly subscriptions: readonly OldSubscription[];
  readonly waiting: readonly OldEvent[];
  readonly deadLetters: readonly Pick<OldEvent, 'id' | 'service' | 'subscriptionId' | 'text'>[];
}

const FOLDER = new URL('../../../fixtures/store-0.1.0/', import.meta.url);

/** Reads a file of the fixture. */
export function fixtureFile(path: string): Buffer {
  return readFileSync(new URL(path, FOLDER));
}

/** Reads what the runtime of 0.1.0 reported about a store before it stopped. */
export function expectedOf(kind: StoreKind, movePorts: PortMover = keepPorts): Expected {
  const expected: Expected = JSON.parse(movePorts(fixtureFile(`${kind}/expected.json`).toString()));
  return expected;
}

/** Reads the service configurations that the store was written with. */
export function oldConfigs(movePorts: PortMover = keepPorts): readonly SubscriberServiceConfig[] {
  return JSON.parse(movePorts(fixtureFile('services.json').toString()));
}

/** Replaces the ports of the fixture's hubs in a text. */
export type PortMover = (text: string) => string;

const keepPorts: PortMover = (text) => text;

/**
 * Creates a function that moves the hubs of the fixture to other ports, so that parallel test runs do not collide.
 *
 * @param ports old and new ports with the same number of digits, so that the files keep their length
 */
export function portMover(ports: readonly (readonly [from: number, to: number | undefined])[]): PortMover {
  return (text) => {
    let moved = text;
    for (const [from, to = from] of ports) {
      if (String(to).length !== String(from).length) throw new Error(`port ${to} has not as many digits as ${from}`);
      moved = moved.replaceAll(`127.0.0.1:${from}`, `127.0.0.1:${to}`);
    }
    return moved;
  };
}
