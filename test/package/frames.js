// Mounts the packed package in common environments: frameworks, bundlers, package managers and Jest, each as a user would.
// `node test/package/frames.js [part…]` runs only those parts.
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

const wanted = process.argv.slice(2);
const parts = Object.entries(PARTS).filter(([name]) => wanted.length === 0 || wanted.includes(name));
if (parts.length < wanted.length) throw new Error(`The parts are ${Object.keys(PARTS).join(', ')}`);

const startedAt = performance.now();
// The build is that of `npm run check-package`.
const pack = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
const [{ filename }] = JSON.parse(execFileSync('npm', pack, { cwd: root, encoding: 'utf8' }));
const tarball = join(folder, filename);

/** Installs and builds a part. A failure is thrown where it is awaited. */
function prepare([name, prepareCases]) {
  const preparing = performance.now();
  const project = join(folder, name);
  mkdirSync(project);
  const prepared = prepareCases(project, tarball).then((cases) => {
    console.log(`${name}: installed (${seconds(preparing)})`);
    return { name, project, cases };
  });
  prepared.catch(() => {});
  return prepared;
}

const failed = [];
const [first, ...others] = parts;
let next = prepare(first);
while (next !== undefined) {
  const { name, project, cases } = await next;
  // The next part is installed while the cases of this one run.
  const following = others.shift();
  next = following && prepare(following);
  const running = performance.now();
  failed.push(...(await runCases(cases)));
  rmSync(project, { recursive: true, force: true });
  console.log(`${name}: ${cases.length} cases (${seconds(running)})`);
}
console.log(`frames: ${failed.length} failed (${seconds(startedAt)})`);
process.exitCode = failed.length === 0 ? 0 : 1;
