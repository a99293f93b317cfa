import { Parser } from 'htmlparser2';
import { vi } from 'vitest';

/** How many elements the parser comes to meanwhile: what reading costs is told by that, where a clock would tell of the machine. */
export function elementsIn(work: () => unknown): number {
  using counted = countElements();
  work();
  return counted.elements;
}

/** Counts the elements that the parser comes to from now on. */
export function countElements(): Disposable & { readonly elements: number } {
  const comingTo = vi.spyOn(Parser.prototype, 'onopentagname');
  return {
    get elements() {
      return comingTo.mock.calls.length;
    },
    [Symbol.dispose]: () => comingTo.mockRestore(),
  };
}
