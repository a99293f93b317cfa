import { Parser } from 'htmlparser2';
import { vi } from 'vitest';

/** How many elements the parser comes to meanwhile: what reading costs is told by that, where a clock would tell of the machine. */
export function elementsIn(work: () => unknown): number {
  const comingTo = vi.spyOn(Parser.prototype, 'onopentagname');
  try {
    work();
    return comingTo.mock.calls.length;
  } finally {
    comingTo.mockRestore();
  }
}
