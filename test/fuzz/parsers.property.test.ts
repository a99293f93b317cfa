import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { inputOf } from './child.js';
import { PARSERS } from './parser-targets.js';
import { RECORD_READERS } from './record-targets.js';
import { seedsOf } from './seeds.js';

/**
 * Fixed seed: every run uses the same inputs, so only a code change can make it fail. Set `SEED` to try other inputs.
 */
const SEED = Number(process.env['SEED'] ?? 20_260_101);
const CORPUS = fileURLToPath(new URL('../../../shared/corpus/', import.meta.url));

describe('any input of the parser', () => {
  test.each([...PARSERS, ...RECORD_READERS])(
    'D12 $name is parsed or rejected with a documented error',
    async (target) => {
      const seeds = seedsOf(target.seeds, CORPUS);
      const runInput = await target.open();
      const job = { seed: SEED, target: target.name, maxBytes: 4_096 };
      const input = fc.oneof(
        { weight: 4, arbitrary: fc.nat().map((number) => inputOf(job, number, seeds)) },
        { weight: 1, arbitrary: fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)) },
        { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
      );
      /** Returns the thrown error if it is undocumented. */
      const thrownBy = async (bytes: Buffer): Promise<unknown> => {
        try {
          await runInput(bytes);
        } catch (error) {
          return target.refuses?.(error) === true ? undefined : error;
        }
        return undefined;
      };
      await fc.assert(
        fc.asyncProperty(input, async (bytes) => {
          expect(await thrownBy(bytes)).toBeUndefined();
        }),
        { numRuns: 150, seed: SEED },
      );
    },
  );
});
