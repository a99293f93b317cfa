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
import { runRounds, warmUp, type LoadSettings, type RunningRow, type Sample, type Subject } from './rounds.js';
import { rowsFor, type Selection } from './rows.js';
import { scenarios } from './scenarios.js';
import { startRows } from './start-rows.js';
import { renderTable } from './table.js';
import { startWorker, type Worker } from './worker.js';

const SECRET = 'what the hub signs with, and nobody else';

/** Starts the servers of the rows, checks that all do the same work, and measures them. */
async function bench(
  { rows, figures, leftOut }: Selection,
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
    const runningRows = await startRows(rows, {
      subject,
      start: (module, name, nodeOptions) =>
        start(module, name, cores?.server, [...nodeOptions, ...profileOptions(options.profiles, name)]),
      onProgress,
    });
    const { rounds, seconds, connections, profiles } = options;
    const samples = new Map<RunningRow, readonly Sample[]>();
    if (runningRows.length > 0) {
      const generator = start(new URL('load/process.js', import.meta.url), 'load', cores?.load, []);
      const load: LoadSettings = { generator, subject, seconds, connections, onProgress };
      await warmUp(runningRows, load);
      for (const [row, rowSamples] of await runRounds(runningRows, rounds, load)) samples.set(row, rowSamples);
    }
    const rowReports = reportRows(samples, connections);
    for (const { scenario, payload, logLines, requests } of rowReports) {
      // A few lines are normal for a server. A line per delivery would be different work.
      if (logLines > Math.max(3, requests / 1000))
        throw new Error(`${scenario}/${payload} logged ${logLines} lines for ${requests} deliveries`);
    }
    onProgress('stopping');
    for (const worker of workers) await worker.stop();
    const { many, renewals, deliveries } = options;
    const measuredFigures = await measureFigures(figures, {
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
    const usedScenarios = new Set(rows.map((row) => row.scenario));
    return {
      machine,
      cores,
      rounds,
      seconds,
      connections,
      profiled: profiles !== undefined,
      leftOut,
      scenarios: [...usedScenarios].map(({ name, what, aim }) => ({ name, what, aim })),
      rows: rowReports,
      figures: measuredFigures,
    };
  } finally {
    for (const worker of workers) worker.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

function profileOptions(folder: string | undefined, name: string): readonly string[] {
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
