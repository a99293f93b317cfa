import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { command, run, setup } from '../model/model-commands.js';

/** `RUNS=100000 npx vitest run …` makes more runs. */
const RUNS = Number(process.env['RUNS'] ?? 10_000);
/** The runs are always the same, so only a change of the code makes the test fail. Another seed tries other runs. */
const SEED = Number(process.env['SEED'] ?? 20_260_101);

const commands = fc.array(command, { minLength: 5, maxLength: 34, size: 'max' });

test('a wanted subscription becomes active and continues, whatever hubs, users, clocks and crashes do', async () => {
  await fc.assert(
    fc.asyncProperty(setup, commands, async (chosenSetup, chosenCommands) => {
      const { watch, trace } = await run(chosenSetup, chosenCommands);
      // The trace that led to the violation.
      expect(watch.violations.length === 0 ? [] : trace).toEqual([]);
    }),
    { numRuns: RUNS, seed: SEED },
  );
}, 1_200_000);
