import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { onTestFinished } from 'vitest';

/** A process that a test kills and starts again. It is killed after the test at the latest. */
export interface ForkedProcess {
  /** Starts the process. Resolves at its first message, or when it exits before. */
  readonly start: (env?: NodeJS.ProcessEnv) => Promise<void>;
  /** Resolves when the process has exited, to the signal that ended it. */
  readonly ended: () => Promise<NodeJS.Signals | null>;
  readonly kill: () => Promise<void>;
  readonly send: (message: string) => void;
  /** Sends a message. Resolves to the next message from the process. */
  readonly request: (message: string) => Promise<unknown>;
  /** The standard output of all starts so far. */
  readonly output: () => string;
}

export function forkedProcess(
  file: string,
  options: { readonly args?: readonly string[]; readonly env?: NodeJS.ProcessEnv; readonly cwd?: string } = {},
): ForkedProcess {
  const { args = [], env, cwd } = options;
  let child: ChildProcess | undefined;
  let exited: Promise<unknown> = Promise.resolve();
  let output = '';
  const kill = async (): Promise<void> => {
    child?.kill('SIGKILL');
    await exited;
  };
  onTestFinished(kill);
  return {
    async start(extraEnv = {}) {
      child = fork(file, args, {
        env: { ...process.env, ...env, ...extraEnv },
        cwd,
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      });
      exited = once(child, 'exit');
      child.stdout?.on('data', (text) => (output += String(text)));
      child.stderr?.resume();
      await Promise.race([once(child, 'message'), exited]);
    },
    async ended() {
      await exited;
      return child?.signalCode ?? null;
    },
    kill,
    send: (message) => void child?.send(message),
    async request(message) {
      if (child === undefined) return undefined;
      const answered = once(child, 'message');
      child.send(message);
      return (await answered)[0];
    },
    output: () => output,
  };
}

/** The lines of a file that a process appends to. A missing file has none. */
export async function linesOf(file: string): Promise<readonly string[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line !== '');
}
