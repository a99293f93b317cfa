/** What a server is sent, over and over. */
export interface Payload {
  readonly name: string;
  readonly contentType: string;
  readonly bytes: Buffer;
  /** Requests in flight at most: of large bodies fewer keep a server as busy. @default any number */
  readonly mostConnections?: number;
}

/** The statuses that a server answers with. */
export interface Answers {
  /** To what is signed. */
  readonly genuine: number;
  /** To what is not signed, or not so: whatever it answers, it must not hand it on. */
  readonly forged: number;
  /** To a path that is no callback; undefined where it knows no paths. */
  readonly unknownPath: number | undefined;
}

/** One server under measurement. To add a row, write one of these and name it in `scenarios.ts`. */
export interface Scenario {
  readonly name: string;
  /** What it is, for the reader of the table. */
  readonly what: string;
  /**
   * The module that is run in a process of its own; it calls `serveBench`. Scenarios of one module and the same options share
   * the process, as far as they are sent the same.
   */
  readonly server: URL;
  /** Options of Node.js that it is run with. @default none */
  readonly nodeOptions?: readonly string[];
  readonly payloads: readonly Payload[];
  /** The name of the scenario that it is compared with. Its own: with none. @default the first one, the floor */
  readonly comparedWith?: string;
  /** Requests in flight. @default as many as the run has connections */
  readonly connections?: number;
  /** How it answers, where it cannot be made to answer as the floor does. @default as the floor, to the last header */
  readonly answers?: Answers;
  /** Whether it needs what is installed from `peers/`. @default false */
  readonly isPeer?: boolean;
  /** Whether `--quick` leaves it out, unless it is named. @default false */
  readonly isLong?: boolean;
  /** What it is to come to, for the reader of the table. */
  readonly aim?: string;
}

/** One row of the table: a server and what it is sent. */
export interface Row {
  readonly scenario: Scenario;
  readonly payload: Payload;
}

export function rowName({ scenario, payload }: Row): string {
  return `${scenario.name}/${payload.name}`;
}

/** Requests in flight of a row, in a run with so many connections. */
export function connectionsOf({ scenario, payload }: Row, connections: number): number {
  return Math.min(scenario.connections ?? connections, payload.mostConnections ?? Infinity);
}
