import type { ChildProcess } from 'node:child_process';

const LIMIT_MS = 30_000;

/** How a process ended. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The standard output and the standard error of a process, in one text. */
export interface ProcessOutput {
  readonly text: () => string;
  /**
   * Resolves to the first result of `find` other than undefined. Rejects when the process ends first, or after 30 seconds.
   *
   * @param what names the text that is looked for, in the error
   */
  readonly find: <T>(what: string, find: (output: string) => T | undefined) => Promise<T>;
  /** Resolves when the process has ended and its output is complete. */
  readonly ended: Promise<ProcessEnd>;
}

export function outputOf(child: ChildProcess): ProcessOutput {
  let output = '';
  const checks = new Set<() => void>();
  const append = (text: string): void => {
    output += text;
    for (const check of checks) check();
  };
  child.stdout?.setEncoding('utf8').on('data', append);
  child.stderr?.setEncoding('utf8').on('data', append);
  const ended = new Promise<ProcessEnd>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  return {
    text: () => output,
    ended,
    find: (what, find) =>
      new Promise((resolve, reject) => {
        const finish = (settle: () => void): void => {
          clearTimeout(timer);
          checks.delete(check);
          settle();
        };
        const check = (): void => {
          const result = find(output);
          if (result !== undefined) finish(() => resolve(result));
        };
        const fail = (why: string): void =>
          finish(() => reject(new Error(`${what} was not printed ${why}, but:\n${output}`)));
        const timer = setTimeout(() => fail(`within ${LIMIT_MS} ms`), LIMIT_MS);
        checks.add(check);
        check();
        void ended.then(({ code, signal }) => fail(`before the end (${code ?? signal})`), reject);
      }),
  };
}
