/** What a server is sent, over and over. */
export interface Payload {
  readonly name: string;
  readonly contentType: string;
  readonly bytes: Buffer;
}

/** One server under measurement. To add a row, write one of these and name it in `scenarios.ts`. */
export interface Scenario {
  readonly name: string;
  /** What it is, for the reader of the table. */
  readonly what: string;
  /** The module that is run in a process of its own; it calls `serveBench`. */
  readonly server: URL;
  readonly payloads: readonly Payload[];
  /** The name of the scenario that it is compared with. Its own: with none. @default the first one, the floor */
  readonly comparedWith?: string;
  /** Requests in flight. @default as many as the run has connections */
  readonly connections?: number;
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
