/** The request body that a server is sent repeatedly. */
export interface Payload {
  readonly name: string;
  readonly contentType: string;
  readonly bytes: Buffer;
  /** Maximum requests in flight. Fewer large bodies keep a server equally busy. @default unlimited */
  readonly mostConnections?: number;
}

/** The statuses a server answers with. */
export interface Answers {
  /** Status for a signed delivery. */
  readonly genuine: number;
  /** Status for an unsigned or wrongly signed delivery. The server must not handle it, whatever the status. */
  readonly forged: number;
  /** Status for an unknown path; undefined when the server accepts any path. */
  readonly unknownPath: number | undefined;
}

/** One server under measurement. To add a row, write a scenario and list it in `scenarios.ts`. */
export interface Scenario {
  readonly name: string;
  /** Description for the reader of the table. */
  readonly what: string;
  /**
   * The module to run in a child process; it calls `serveBench`. Scenarios with the same module, options and payload
   * share the process.
   */
  readonly server: URL;
  /** Node.js options of the process. @default none */
  readonly nodeOptions?: readonly string[];
  readonly payloads: readonly Payload[];
  /** Name of the scenario to compare with; its own name compares with none. @default the first scenario, the floor */
  readonly comparedWith?: string;
  /** Requests in flight. @default the connections of the run */
  readonly connections?: number;
  /** Answers of a server that cannot answer like the floor. @default the floor's answers, including all headers */
  readonly answers?: Answers;
  /** Whether it needs packages installed from `peers/`. @default false */
  readonly isPeer?: boolean;
  /** Whether `--quick` leaves it out, unless it is named. @default false */
  readonly isLong?: boolean;
  /** The goal, for the reader of the table. */
  readonly aim?: string;
}

/** One row of the table: a server and its payload. */
export interface Row {
  readonly scenario: Scenario;
  readonly payload: Payload;
}

export function rowName({ scenario, payload }: Row): string {
  return `${scenario.name}/${payload.name}`;
}

/** Requests in flight of a row, in a run with this many connections. */
export function connectionsOf({ scenario, payload }: Row, connections: number): number {
  return Math.min(scenario.connections ?? connections, payload.mostConnections ?? Infinity);
}
