import { killGroup, start } from './command.js';

/** Longest time for a program to print something, in milliseconds. */
const LIMIT_MS = 30_000;

/** Starts a program. `printed` resolves when its outputs hold a text, and rejects when it ends first. */
export function startApp(command, args, options) {
  const child = start(command, args, options);
  let output = '';
  const checks = new Set();
  const take = (text) => {
    output += text;
    for (const check of checks) check();
  };
  child.stdout.setEncoding('utf8').on('data', take);
  child.stderr.setEncoding('utf8').on('data', take);
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  return {
    ended,
    output: () => output,
    terminate: () => child.kill('SIGTERM'),
    printed: (text) =>
      new Promise((resolve, reject) => {
        const finish = (settle) => {
          clearTimeout(timer);
          checks.delete(check);
          settle();
        };
        const check = () => {
          if (output.includes(text)) finish(resolve);
        };
        const fail = (when) =>
          finish(() => reject(new Error(`The program did not print ${JSON.stringify(text)} ${when}`)));
        const timer = setTimeout(() => fail(`within ${LIMIT_MS} ms`), LIMIT_MS);
        checks.add(check);
        check();
        void ended.then(({ code, signal }) => fail(`before it ended with ${code ?? signal}`));
      }),
    async kill() {
      killGroup(child);
      await ended;
    },
  };
}
