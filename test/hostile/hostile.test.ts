import { describe, expect, it } from 'vitest';
import { compiledFixture } from '../kit/compiled-fixture.js';
import { measureIfNeeded } from './measure.js';
import { scenarios } from './scenarios.js';

/** `npm run hostile` runs at full size. */
const SCALE = 0.1;

const subject = await compiledFixture('hostile/subject/subject.ts');

describe('a service under attack at a tenth of the full size', () => {
  it.each(scenarios)(
    'stays within the bounds of $name',
    async (scenario) => {
      const results = await measureIfNeeded(scenario, { subject, scale: SCALE });
      expect(results.filter(({ isWithin }) => !isWithin)).toEqual([]);
    },
    300_000,
  );
});
