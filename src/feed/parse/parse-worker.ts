import { parentPort } from 'node:worker_threads';
import { READERS, type Document, type Wanted } from '../feed-document.js';
import { parcels, type Row } from './batches.js';

/** A request to the thread: to read a document, or to send the next parcel of its result. */
export type Question =
  | { readonly type: 'read'; readonly wanted: Wanted; readonly document: Document }
  | { readonly type: 'next' };

/** An answer of the thread. `name` is the class of a built-in error. */
export type Answer =
  | { readonly type: 'rows'; readonly rows: readonly Row[]; readonly isLast: boolean }
  | { readonly type: 'failed'; readonly name: string; readonly message: string };

/** The parcels that are still to be sent. */
let left: Iterator<readonly Row[]> = parcels(undefined);

/** One parcel at a time: the other thread asks for the next one when it has done something else in between. */
function answer(question: Question): Answer {
  if (question.type === 'read') left = parcels(READERS[question.wanted](question.document));
  const { value: rows, done } = left.next();
  if (done === true) left = parcels(undefined);
  return { type: 'rows', rows: rows ?? [], isLast: done === true };
}

function failure(error: unknown): Answer {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return { type: 'failed', name, message };
}

parentPort?.on('message', (question: Question) => {
  let given: Answer;
  try {
    given = answer(question);
  } catch (error) {
    given = failure(error);
  }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- it goes to a thread, not to a window
  parentPort?.postMessage(given);
});
