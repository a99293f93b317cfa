/**
 * The work of one process: run inputs against one target. Inputs are numbered from 0. The number and the seed determine
 * the input.
 */
export interface Job {
  readonly target: string;
  readonly seed: number;
  /** The first input. `until` is exclusive. */
  readonly from: number;
  readonly until: number;
  readonly maxBytes: number;
  /** Epoch milliseconds after which no new input starts. */
  readonly deadline: number;
  /** Folder of the corpus. */
  readonly corpus: string;
  /**
   * File for the number of the current input, written before the input runs. It identifies the input when the process
   * dies.
   */
  readonly placeFile: string;
}

/** A failure and the input that causes it. */
export interface Finding {
  readonly target: string;
  readonly input: number;
  readonly maxBytes: number;
  readonly what: string;
  readonly base64: string;
}

/** The result of a process. */
export interface JobResult {
  readonly inputs: number;
  /** Inputs rejected with a documented error. */
  readonly refused: number;
  readonly slowestMs: number;
  readonly slowestInput: number;
}

/** A message from the process. */
export type JobMessage =
  | { readonly type: 'finding'; readonly finding: Finding }
  | { readonly type: 'done'; readonly done: JobResult };
