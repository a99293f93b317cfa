import { parentPort } from 'node:worker_threads';
import { READERS, type FeedDocument, type ReaderName } from '../feed-document.js';
import { splitIntoBatches, type Row } from './batches.js';

/** A request to the thread: read a document, or send the next batch of its result. */
export type WorkerRequest =
  | { readonly type: 'read'; readonly reader: ReaderName; readonly document: FeedDocument }
  | { readonly type: 'next' };

/** The thread's response. `name` is the class of a built-in error. */
export type WorkerResponse =
  | { readonly type: 'rows'; readonly rows: readonly Row[]; readonly isLast: boolean }
  | { readonly type: 'failed'; readonly name: string; readonly message: string };

/** The batches not yet sent. */
let unsentBatches: Iterator<readonly Row[]> = splitIntoBatches(undefined);

/** Sends one batch. The main thread requests the next one after it has handled other work. */
function respond(request: WorkerRequest): WorkerResponse {
  if (request.type === 'read') unsentBatches = splitIntoBatches(READERS[request.reader](request.document));
  const { value: rows, done } = unsentBatches.next();
  if (done === true) unsentBatches = splitIntoBatches(undefined);
  return { type: 'rows', rows: rows ?? [], isLast: done === true };
}

function failureResponse(error: unknown): WorkerResponse {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return { type: 'failed', name, message };
}

parentPort?.on('message', (request: WorkerRequest) => {
  let response: WorkerResponse;
  try {
    response = respond(request);
  } catch (error) {
    response = failureResponse(error);
  }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- it goes to a thread, not to a window
  parentPort?.postMessage(response);
});
