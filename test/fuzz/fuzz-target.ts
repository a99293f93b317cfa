import type { SeedKind } from './seeds.js';

/** Runs one input. Throws when the parser rejects the input or a rule is broken. */
export type RunInput = (input: Buffer) => void | Promise<void>;

/** A function or server that receives the inputs. */
export interface FuzzTarget {
  readonly name: string;
  readonly seeds: SeedKind;
  /** Sets up the target; called once per process. */
  readonly open: () => RunInput | Promise<RunInput>;
  /** Whether the parser documents this error. @default no error is documented */
  readonly refuses?: (error: unknown) => boolean;
  /** Milliseconds an input of at most 4 KiB may take. @default 50 */
  readonly limitMs?: number;
}

/**
 * Asserts a rule that holds for every result.
 *
 * @throws Error when it does not hold
 */
export function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`A rule is broken: ${what}`);
}
