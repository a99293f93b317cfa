import * as htmlparser2 from 'htmlparser2';
import { expect, it } from 'vitest';
import { onDemand } from '../src/on-demand.js';

it('loads the very package that `import` does', () => {
  expect(onDemand('htmlparser2').Parser).toBe(htmlparser2.Parser);
});

it('says of a package that cannot be loaded which one it is, why, and what to do', () => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as if one of them were not installed.
  expect(() => onDemand('not-installed' as 'undici')).toThrow(
    "The package not-installed, which websub-subscriber needs, could not be loaded: Cannot find module 'not-installed'. " +
      'Install the dependencies anew; where a program is bundled, leave websub-subscriber out of the bundle',
  );
});
