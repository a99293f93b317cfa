import type { SeedKind } from './seeds.js';

/** Takes one input. It throws where the parser refuses the input, or where something is wrong. */
export type Take = (input: Buffer) => void | Promise<void>;

/** What inputs are given to. */
export interface FuzzTarget {
  readonly name: string;
  readonly seeds: SeedKind;
  /** Makes ready; called once in a process. */
  readonly open: () => Take | Promise<Take>;
  /** Whether an error is one that the parser documents. @default none is */
  readonly refuses?: (error: unknown) => boolean;
  /** Milliseconds that an input of at most 4 KiB may take. @default 50 */
  readonly limitMs?: number;
}

/** A rule that every result keeps. @throws Error where it does not */
export function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`A rule is broken: ${what}`);
}
