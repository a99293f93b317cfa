import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { command, run, setup } from '../model/model-commands.js';

/** More of them look further: `RUNS=100000 npx vitest run …`. */
const RUNS = Number(process.env['RUNS'] ?? 10_000);
/** The same lives at every run, so that a change is what makes it fail; another number looks at others. */
const SEED = Number(process.env['SEED'] ?? 20_260_101);

const commands = fc.array(command, { minLength: 5, maxLength: 34, size: 'max' });

test('whatever hubs, publishers, users, clocks and crashes do, what is wanted comes about, and what works goes on until then', async () => {
  await fc.assert(
    fc.asyncProperty(setup, commands, async (given, happenings) => {
      const { watch, trace } = await run(given, happenings);
      // What led there, and what is wrong then.
      expect(watch.wrong.length === 0 ? [] : trace).toEqual([]);
    }),
    { numRuns: RUNS, seed: SEED },
  );
}, 1_200_000);
