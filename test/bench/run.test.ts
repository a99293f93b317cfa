import { execFile } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { copyFile, symlink } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { areInstalled } from './peers/install.js';
import { temporaryDirectory } from '../kit/temporary-directory.js';

describe('a run of the compiled benchmark', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const run = promisify(execFile);
  const peers = join(root, 'test/bench/peers');
  const folder = realpathSync(temporaryDirectory(afterAll));

  /** Builds like `npm run bench`, but into a temporary folder. */
  const build = async (): Promise<void> => {
    const bundle = [join(root, 'node_modules/rolldown/bin/cli.mjs'), '-c'];
    const compile = [
      join(root, 'node_modules/typescript/bin/tsc'),
      '-p',
      'test/bench',
      '--outDir',
      join(folder, 'bench'),
    ];
    await Promise.all([
      run(process.execPath, [...bundle, '.ci/rolldown.config.ts', '--dir', join(folder, 'dist')], { cwd: root }),
      // Types are checked elsewhere. Here the package's own types may not be built.
      run(process.execPath, [...compile, '--noCheck'], { cwd: root }),
    ]);
    const readFeedBundle = ['test/bench/rolldown.config.ts', '--file', join(folder, 'bench/read-feed.js')];
    await run(process.execPath, [...bundle, ...readFeedBundle], { cwd: root });
  };
  const bench = (...args: string[]): Promise<{ stdout: string; stderr: string }> =>
    run(process.execPath, [join(folder, 'bench/run.js'), ...args]);

  beforeAll(async () => {
    await copyFile(join(root, 'package.json'), join(folder, 'package.json'));
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir');
    await symlink(peers, join(folder, 'peers'), 'dir');
    await build();
  }, 60_000);

  it('prints JSON with each row, its medians, and its ratios to the floor', async () => {
    const args = [
      '--quick',
      '--json',
      '--only',
      'inline/2k-json',
      '--rounds',
      '2',
      '--seconds',
      '0.1',
      '--connections',
      '4',
    ];
    const report: unknown = JSON.parse((await bench(...args)).stdout);
    const positive = expect.toSatisfy((value: unknown) => typeof value === 'number' && value > 0);
    const comparison = { median: positive, lowest: positive, highest: positive };
    const sample = {
      requests: positive,
      rate: positive,
      cpuMicros: positive,
      p50Ms: positive,
      p99Ms: positive,
      loadBusy: positive,
      waiting: 0,
      logLines: 0,
    };
    const row = {
      ...sample,
      payload: '2k-json',
      payloadBytes: 2048,
      connections: 4,
      rounds: [sample, sample],
    };
    expect(report).toEqual({
      machine: {
        package: expect.stringMatching(/^websub-subscriber \d+\.\d+\.\d+/),
        node: process.version,
        cpu: expect.any(String),
        cores: positive,
        system: expect.any(String),
        loadBefore: expect.any(Number),
      },
      cores: expect.toBeOneOf([undefined, { server: expect.any(Number), load: expect.any(Number) }]),
      rounds: 2,
      seconds: 0.1,
      connections: 4,
      figures: [],
      profiled: false,
      leftOut: [],
      scenarios: [
        { name: 'floor', what: expect.any(String) },
        { name: 'inline', what: expect.any(String), aim: expect.stringMatching(/0\.95/) },
      ],
      rows: [
        { ...row, scenario: 'floor' },
        { ...row, scenario: 'inline', toFloor: { rate: comparison, cpuMicros: comparison, p99Ms: comparison } },
      ],
    });
  }, 60_000);

  it('counts a queued delivery when it is handled, and compares it with the same number of requests in flight', async () => {
    const { stdout } = await bench('--only', 'queued-1', '--rounds', '2', '--seconds', '0.1', '--json');
    const queuedRow = { connections: 1, rate: expect.any(Number), waiting: expect.toBeOneOf([0, 0.5, 1]) };
    expect(JSON.parse(stdout)).toMatchObject({
      rows: [
        { scenario: 'floor-1', connections: 1 },
        { scenario: 'queued-1', ...queuedRow, toFloor: { rate: { median: expect.any(Number) } } },
      ],
    });
  }, 60_000);

  it('reports the cost of many subscriptions, with the minimum possible cost', async () => {
    const sizes = ['--many', '50', '--renewals', '20', '--rounds', '1', '--json'];
    const { stdout } = await bench('--only', 'start', '--only', 'renewal', ...sizes);
    const positive = expect.toSatisfy((value: unknown) => typeof value === 'number' && value > 0);
    const comparison = { median: positive, lowest: positive, highest: positive };
    expect(JSON.parse(stdout)).toMatchObject({
      rows: [],
      figures: [
        { name: 'start', unit: 'ms', value: positive, floor: positive, toFloor: comparison, rounds: [positive] },
        { name: 'start-heap', unit: 'bytes' },
        { name: 'renewal', unit: '/s', value: positive, floor: positive, toFloor: comparison, rounds: [positive] },
        { name: 'renewal-far', unit: '/s', value: positive, floor: positive, toFloor: comparison, rounds: [positive] },
        { name: 'renewal-open', value: expect.toSatisfy((open) => open >= 1 && open <= 8) },
      ],
    });
  }, 60_000);

  it('reports the heap that deliveries leave behind', async () => {
    const { stdout } = await bench('--only', 'heap', '--deliveries', '200', '--rounds', '1', '--json');
    const bytes = expect.toSatisfy((value: unknown) => typeof value === 'number' && value > 1_000_000);
    const what = expect.stringContaining('after 200 inline deliveries, beside the same process after 20;');
    expect(JSON.parse(stdout)).toMatchObject({
      rows: [],
      figures: [{ name: 'heap', what, unit: 'bytes', value: bytes, floor: bytes, rounds: [bytes] }],
    });
  }, 60_000);

  it('reports large bodies, latencies, a first start, discovery and entries, each with its floor', async () => {
    const only = ['memory', 'paced', 'first-start', 'discovery', 'entries'].flatMap((name) => ['--only', name]);
    const { stdout } = await bench(...only, '--rounds', '1', '--seconds', '0.1', '--json');
    const positive = expect.toSatisfy((value: unknown) => typeof value === 'number' && value > 0);
    const figure = { value: positive, floor: positive, toFloor: { median: positive }, rounds: [positive] };
    // A handler that receives a whole body keeps a whole body.
    const bodyCount = expect.toSatisfy((value: unknown) => typeof value === 'number' && value > 0.95 && value < 4);
    const figureInBodies = { ...figure, unit: 'bodies', value: bodyCount, floor: bodyCount };
    // Memory freed after loading packages is reused, so the process grows by less than the bodies take.
    const peakBodyCount = expect.toSatisfy((value: unknown) => typeof value === 'number' && value > 0.5 && value < 4);
    expect(JSON.parse(stdout)).toMatchObject({
      rows: [],
      figures: [
        { name: 'memory', ...figureInBodies },
        { name: 'memory-handled', ...figureInBodies },
        { name: 'memory-peak', ...figureInBodies, value: peakBodyCount },
        { name: 'paced-p50', unit: 'ms', ...figure },
        { name: 'paced-p99', unit: 'ms', ...figure },
        { name: 'first-start', unit: 'ms', ...figure },
        { name: 'first-start-own', unit: 'ms', ...figure },
        { name: 'first-start-listening', unit: 'ms', ...figure },
        { name: 'discovery/page', unit: 'µs', ...figure },
        { name: 'discovery/page/bytes', unit: 'bytes', ...figure },
        { name: 'discovery/feed', unit: 'µs', ...figure },
        { name: 'discovery/feed/bytes', unit: 'bytes', ...figure },
        { name: 'entries/2k-youtube', unit: 'documents/s', ...figure },
        { name: 'entries/20k-blog', unit: 'documents/s', ...figure },
        { name: 'entries/20k-blog/each', unit: 'entries/s', ...figure },
      ],
    });
  }, 60_000);

  it.skipIf(!areInstalled(pathToFileURL(peers + sep)))(
    'measures other packages if they are installed (a benchmark run installs them with npm)',
    async () => {
      const names = ['h3', 'fastify', 'pubsubhubbub', 'express'];
      const only = names.flatMap((name) => ['--only', `${name}/2k-json`]);
      const { stdout, stderr } = await bench(...only, '--rounds', '1', '--seconds', '0.05', '--json');
      expect(stderr).not.toMatch(/installing/);
      const positive = expect.toSatisfy((value: unknown) => typeof value === 'number' && value > 0);
      expect(JSON.parse(stdout)).toMatchObject({
        rows: ['floor', ...names].map((scenario) => ({ scenario, rate: positive, cpuMicros: positive })),
      });
    },
    60_000,
  );

  it('prints a table with a line per row, and states what was measured on which machine', async () => {
    const { stdout } = await bench('--only', 'floor', '--rounds', '1', '--seconds', '0.05');
    expect(stdout).toMatch(/^websub-subscriber \S+, node v\S+, .* cores, /m);
    expect(stdout).toMatch(/^sent +server +in flight +req\/s/m);
    expect(stdout).toMatch(/^2k-json +floor +64 +[\d,]+ /m);
    expect(stdout).toMatch(/^20k-atom +floor +64 +[\d,]+ /m);
    expect(stdout).toMatch(/Fewer than 5 rounds/);
  }, 60_000);

  it('exits with 2 and prints the usage for an unknown name', async () => {
    await expect(bench('--only', 'nothing')).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/There is no "nothing"[\s\S]*npm run bench/),
    });
  });
});
