import { parentPort } from 'node:worker_threads';
import { READERS, type FeedDocument, type ReaderName } from '../feed-document.js';
import { splitIntoBatches, type Row } from './batches.js';

/** A request to the thread: to read a document, or to send the next parcel of its result. */
export type WorkerRequest =
  | { readonly type: 'read'; readonly reader: ReaderName; readonly document: FeedDocument }
  | { readonly type: 'next' };

/** An answer of the thread. `name` is the class of a built-in error. */
export type WorkerResponse =
  | { readonly type: 'rows'; readonly rows: readonly Row[]; readonly isLast: boolean }
  | { readonly type: 'failed'; readonly name: string; readonly message: string };

/** The parcels that are still to be sent. */
let batchesLeft: Iterator<readonly Row[]> = splitIntoBatches(undefined);

/** One parcel at a time: the other thread asks for the next one when it has done something else in between. */
function respond(request: WorkerRequest): WorkerResponse {
  if (request.type === 'read') batchesLeft = splitIntoBatches(READERS[request.reader](request.document));
  const { value: rows, done } = batchesLeft.next();
  if (done === true) batchesLeft = splitIntoBatches(undefined);
  return { type: 'rows', rows: rows ?? [], isLast: done === true };
}

function failureResponse(error: unknown): WorkerResponse {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return { type: 'failed', name, message };
}

parentPort?.on('message', (question: WorkerRequest) => {
  let given: WorkerResponse;
  try {
    given = respond(question);
  } catch (error) {
    given = failureResponse(error);
  }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- it goes to a thread, not to a window
  parentPort?.postMessage(given);
});
