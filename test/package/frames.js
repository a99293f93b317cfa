// Mounts the packed package in common environments: frameworks, bundlers, package managers and Jest, each as a user
// would.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { killAll } from './frames/command.js';
import { PARTS } from './frames/parts.js';
import { runCases, seconds } from './frames/run-cases.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'websub-frames-'));
const cleanUp = () => {
  killAll();
  rmSync(folder, { recursive: true, force: true });
};
process.once('exit', cleanUp);
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

const names = process.argv.slice(2);
const parts = Object.entries(PARTS).filter(([name]) => names.length === 0 || names.includes(name));
if (parts.length < names.length) throw new Error(`The parts are ${Object.keys(PARTS).join(', ')}`);

const startedAt = performance.now();
// `npm run check-package` has built the package.
const pack = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
const [{ filename }] = JSON.parse(execFileSync('npm', pack, { cwd: root, encoding: 'utf8' }));
const tarball = join(folder, filename);

/** Installs and builds a part. A failure is thrown when the result is awaited. */
function prepare([name, prepareCases]) {
  const prepareStartedAt = performance.now();
  const project = join(folder, name);
  mkdirSync(project);
  const preparation = prepareCases(project, tarball).then((cases) => {
    console.log(`${name}: installed (${seconds(prepareStartedAt)})`);
    return { name, project, cases };
  });
  preparation.catch(() => {});
  return preparation;
}

const failedNames = [];
const [firstPart, ...otherParts] = parts;
let next = prepare(firstPart);
while (next !== undefined) {
  const { name, project, cases } = await next;
  // Install the next part while the cases of this one run.
  const upcoming = otherParts.shift();
  next = upcoming && prepare(upcoming);
  const casesStartedAt = performance.now();
  failedNames.push(...(await runCases(cases)));
  rmSync(project, { recursive: true, force: true });
  console.log(`${name}: ${cases.length} cases (${seconds(casesStartedAt)})`);
}
console.log(`frames: ${failedNames.length} failed (${seconds(startedAt)})`);
process.exitCode = failedNames.length === 0 ? 0 : 1;
