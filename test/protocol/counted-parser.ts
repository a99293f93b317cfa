import type * as htmlparser2 from 'htmlparser2';

let elements = 0;

/** The parser, which counts the elements it comes to: what reading costs is told by that, where a clock would tell of the machine. */
export function counted(original: typeof htmlparser2): typeof htmlparser2 {
  class CountedParser extends original.Parser {
    override onopentagname(start: number, end: number): void {
      elements += 1;
      super.onopentagname(start, end);
    }
  }
  return { ...original, Parser: CountedParser };
}

/** How many elements are come to meanwhile. */
export function elementsIn(work: () => unknown): number {
  const before = elements;
  work();
  return elements - before;
}
