import { Parser } from 'htmlparser2';
import { vi } from 'vitest';

/**
 * Counts the elements the parser reads during `work`. This measures the cost of reading independent of the machine's
 * speed.
 */
export function elementsIn(work: () => unknown): number {
  using counted = countElements();
  work();
  return counted.elements;
}

/** Counts the elements the parser reads from now on. */
export function countElements(): Disposable & { readonly elements: number } {
  const openTagSpy = vi.spyOn(Parser.prototype, 'onopentagname');
  return {
    get elements() {
      return openTagSpy.mock.calls.length;
    },
    [Symbol.dispose]: () => openTagSpy.mockRestore(),
  };
}
