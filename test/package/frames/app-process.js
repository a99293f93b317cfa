import { killGroup, start } from './command.js';

/** Milliseconds to wait until a program prints a text. */
const LIMIT_MS = 30_000;

/** Starts a program. `printed` resolves when its output contains a text, and rejects when it ends first. */
export function startApp(command, args, options) {
  const child = start(command, args, options);
  let output = '';
  const checks = new Set();
  const append = (text) => {
    output += text;
    for (const check of checks) check();
  };
  child.stdout.setEncoding('utf8').on('data', append);
  child.stderr.setEncoding('utf8').on('data', append);
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
