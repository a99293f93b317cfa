import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { TestHub } from 'websub-subscriber/testing';
import { separateCores } from './cores.js';
import { measureFigures } from './figures.js';
import { thisMachine } from './machine.js';
import { readOptions, USAGE, UsageError, type BenchOptions } from './options.js';
import { PEERS } from './peers/folder.js';
import { installPeers } from './peers/install.js';
import { reportRows, type Report } from './report.js';
import { runRounds, warmUp, type Load, type RunningRow, type Sample, type Subject } from './rounds.js';
import { rowsFor, type Chosen } from './rows.js';
import { scenarios } from './scenarios.js';
import { startRows } from './start-rows.js';
import { renderTable } from './table.js';
import { startWorker, type Worker } from './worker.js';

const SECRET = 'what the hub signs with, and nobody else';

/** Starts the servers of the rows, checks that all do the same work, and measures them. */
async function bench(
  { rows, figures, leftOut }: Chosen,
  options: BenchOptions,
  onProgress: (what: string) => void,
): Promise<Report> {
  const machine = thisMachine();
  const cores = separateCores();
  const folder = mkdtempSync(join(tmpdir(), 'websub-bench-'));
  const workers: Worker[] = [];
  const start = (module: URL, name: string, core: number | undefined, execArgv: readonly string[]): Worker => {
    const cwd = join(folder, name);
    mkdirSync(cwd, { recursive: true });
    const worker = startWorker(module, { name, cwd, core, execArgv });
    workers.push(worker);
    return worker;
  };
  await using hub = await TestHub.start();
  const subject: Subject = { hub: hub.url, topic: hub.topic('/topic').url, secret: SECRET };
  try {
    if (rows.some(({ scenario }) => scenario.isPeer)) installPeers(PEERS, onProgress);
    const running = await startRows(rows, {
      subject,
      start: (module, name, nodeOptions) =>
        start(module, name, cores?.server, [...nodeOptions, ...profiling(options.profiles, name)]),
      onProgress,
    });
    const { rounds, seconds, connections, profiles } = options;
    const samples = new Map<RunningRow, readonly Sample[]>();
    if (running.length > 0) {
      const generator = start(new URL('load/process.js', import.meta.url), 'load', cores?.load, []);
      const load: Load = { generator, subject, seconds, connections, onProgress };
      await warmUp(running, load);
      for (const [row, taken] of await runRounds(running, rounds, load)) samples.set(row, taken);
    }
    const report = reportRows(samples, connections);
    for (const { scenario, payload, logLines, requests } of report) {
      // A few lines are normal for a server. A line per delivery would be different work.
      if (logLines > Math.max(3, requests / 1000))
        throw new Error(`${scenario}/${payload} logged ${logLines} lines for ${requests} deliveries`);
    }
    onProgress('stopping');
    for (const worker of workers) await worker.stop();
    const { many, renewals, deliveries } = options;
    const measured = await measureFigures(figures, {
      folder,
      cores,
      rounds: options.figureRounds,
      seconds,
      many,
      renewals,
      deliveries,
      subject,
      onProgress,
    });
    const used = new Set(rows.map((row) => row.scenario));
    return {
      machine,
      cores,
      rounds,
      seconds,
      connections,
      profiled: profiles !== undefined,
      leftOut,
      scenarios: [...used].map(({ name, what, aim }) => ({ name, what, aim })),
      rows: report,
      figures: measured,
    };
  } finally {
    for (const worker of workers) worker.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

function profiling(folder: string | undefined, name: string): readonly string[] {
  if (folder === undefined) return [];
  return ['--cpu-prof', '--cpu-prof-dir', resolve(folder), '--cpu-prof-name', `${name}.cpuprofile`];
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options === undefined) {
    process.stdout.write(USAGE);
    return;
  }
  const report = await bench(rowsFor(scenarios, options), options, (what) => void process.stderr.write(`… ${what}\n`));
  const json = `${JSON.stringify(report, undefined, 2)}\n`;
  if (typeof options.json === 'string') writeFileSync(options.json, json);
  process.stdout.write(options.json === true ? json : `\n${renderTable(report)}\n`);
}

try {
  await main();
} catch (error) {
  const isUsage = error instanceof UsageError;
  process.stderr.write(
    isUsage ? `${error.message}\n\n${USAGE}` : `${String(error instanceof Error ? error.stack : error)}\n`,
  );
  process.exitCode = isUsage ? 2 : 1;
}
