import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Tests that kill hundreds of processes or measure time. They run alone, after all other tests. */
const ALONE = [
  'test/bench/run.test.ts',
  'test/e2e/process/crash-walk.test.ts',
  'test/e2e/process/cut-off.test.ts',
  'test/e2e/process/killed-under-load.test.ts',
  'test/e2e/delivery/ordered.test.ts',
  'test/hostile/hostile.test.ts',
];

/** The slowest tests start first, so that none of them runs alone at the end. */
const LONGEST: ReadonlySet<string> = new Set(
  [
    'test/subscription/machine/model.property.test.ts',
    'test/e2e/fetch/polling.test.ts',
    'test/subscription/machine/lifecycle-over-sockets.test.ts',
    'test/e2e/hub/pacing.test.ts',
    'test/contract/record-store.test.ts',
    'test/e2e/process/log-pipe.test.ts',
    'test/e2e/time/five-years.test.ts',
    'test/subscription/machine/dead-hub.property.test.ts',
  ].map((file) => here(`../${file}`)),
);

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification): boolean => LONGEST.has(moduleId);
    const sorted = await super.sort(files);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  root: here('..'),
  resolve: {
    alias: [
      { find: /^websub-subscriber\/testing$/, replacement: here('../src/testing/index.ts') },
      { find: /^websub-subscriber$/, replacement: here('../src/index.ts') },
    ],
  },
  test: {
    // `execArgv` loads it into worker threads, `setupFiles` into child processes.
    execArgv: ['--require', here('./kit/set-up/loopback-only.cjs')],
    setupFiles: [here('./kit/set-up/loopback-only.ts')],
    // Generous timeouts for a busy machine: tests wait for events, not for time.
    sequence: { sequencer: LongestFirst },
    testTimeout: 20_000,
    hookTimeout: 20_000,
    expect: { poll: { timeout: 10_000 } },
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text', 'json-summary'],
      thresholds: { lines: 95, branches: 95 },
    },
    projects: [
      {
        extends: true,
        test: {
          name: 'together',
          include: ['test/**/*.test.ts', 'examples/**/*.test.ts'],
          exclude: ['**/node_modules/**', ...ALONE],
          // Tests spend a third of their time waiting.
          maxWorkers: Math.max(3, availableParallelism() - 1),
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: 'alone', include: ALONE, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
