import { spawn } from 'node:child_process';
import { environment } from './environment.js';

/** Milliseconds one command may take, such as an install or a build. */
const LIMIT_MS = 180_000;

const running = new Set();

/** Starts a process in its own process group, so that its children can be killed with it. */
export function start(command, args, { cwd, env = {} }) {
  const child = spawn(command, args, {
    cwd,
    env: { ...environment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  running.add(child);
  child.once('close', () => running.delete(child));
  return child;
}

/** Kills a process and all its children. */
export function killGroup(child) {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** Kills every process that is still running. */
export function killAll() {
  for (const child of running) killGroup(child);
}

/** Runs a command to its end. Resolves with its exit code and its combined output, in order. */
export async function tryCommand(command, args, options) {
  const child = start(command, args, options);
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (output += text));
  const timer = setTimeout(() => killGroup(child), LIMIT_MS);
  try {
    const code = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve(code ?? signal));
    });
    return { code, output };
  } finally {
    clearTimeout(timer);
  }
}

/** Runs a command and resolves with its output. Rejects with the output when the exit code is not 0. */
export async function runCommand(command, args, options) {
  const { code, output } = await tryCommand(command, args, options);
  if (code !== 0) throw new Error(`${[command, ...args].join(' ')} ended with ${code} in ${options.cwd}:\n${output}`);
  return output;
}
