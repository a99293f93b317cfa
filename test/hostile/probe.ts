import { request } from 'node:http';

/** Milliseconds between two questions. */
const PAUSE_MS = 200;

/** Milliseconds after which an answer counts as none. */
const PATIENCE_MS = 60_000;

/**
 * Asks again and again, each time on a new connection, for as long as the work goes on.
 *
 * @returns how many milliseconds the slowest answer took
 */
export async function slowestAnswer(url: string, work: Promise<unknown>): Promise<number> {
  const over = new AbortController();
  const ended = work.finally(() => over.abort());
  let slowest = 0;
  do {
    const begun = performance.now();
    await answered(url);
    slowest = Math.max(slowest, performance.now() - begun);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  } while (!over.signal.aborted);
  await ended;
  return slowest;
}

function answered(url: string): Promise<void> {
  return new Promise((resolve) => {
    const sent = request(url, { agent: false, timeout: PATIENCE_MS }, (response) =>
      response.resume().on('close', resolve),
    );
    sent.on('timeout', () => sent.destroy());
    sent.on('error', () => resolve());
    sent.end();
  });
}
