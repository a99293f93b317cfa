import { request } from 'node:http';

/** Milliseconds between two requests. */
const PAUSE_MS = 200;

/** Milliseconds after which a request counts as unanswered. */
const TIMEOUT_MS = 60_000;

/**
 * Sends requests one after another, each on a new connection, until the work is done.
 *
 * @returns milliseconds the slowest response took
 */
export async function slowestAnswer(url: string, work: Promise<unknown>): Promise<number> {
  const abortController = new AbortController();
  const workDone = work.finally(() => abortController.abort());
  let slowest = 0;
  do {
    const startedAt = performance.now();
    await sendRequest(url);
    slowest = Math.max(slowest, performance.now() - startedAt);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  } while (!abortController.signal.aborted);
  await workDone;
  return slowest;
}

function sendRequest(url: string): Promise<void> {
  return new Promise((resolve) => {
    const probeRequest = request(url, { agent: false, timeout: TIMEOUT_MS }, (response) =>
      response.resume().on('close', resolve),
    );
    probeRequest.on('timeout', () => probeRequest.destroy());
    probeRequest.on('error', () => resolve());
    probeRequest.end();
  });
}
