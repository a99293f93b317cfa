/** What a process is to do: give inputs to one target. Inputs are counted from 0; each follows from its number and the seed. */
export interface Job {
  readonly target: string;
  readonly seed: number;
  /** The first input, and the one after the last. */
  readonly from: number;
  readonly until: number;
  readonly maxBytes: number;
  /** Epoch milliseconds after which no further input is begun. */
  readonly deadline: number;
  /** The folder of the corpus. */
  readonly corpus: string;
  /** The number of the present input is written here before it is given: for whoever finds the process dead. */
  readonly placeFile: string;
}

/** What is wrong, and with which input. */
export interface Finding {
  readonly target: string;
  readonly input: number;
  readonly maxBytes: number;
  readonly what: string;
  readonly base64: string;
}

/** What a process did. */
export interface Done {
  readonly inputs: number;
  /** Inputs that were refused by a documented error. */
  readonly refused: number;
  readonly slowestMs: number;
  readonly slowestInput: number;
}

/** What a process tells. */
export type Told =
  | { readonly type: 'finding'; readonly finding: Finding }
  | { readonly type: 'done'; readonly done: Done };
