import type { KeyedMutex } from '../../engine/keyed-mutex.js';
import type { Awaitable } from '../message/awaitable.js';
import type { AnswerDeadline } from '../handler/answer-deadline.js';
import type { DeliveryAnswer } from '../delivery-answer.js';
import type { UndecidedEvent, UndecidedWrite } from '../inbox/event-writer.js';
import type { PendingAnswer } from './in-progress-keys.js';
import type { AckTimeout } from '../handler/ack-timeout.js';
import type { DedupeKey } from './dedupe-key.js';
import type { EventContext } from '../event-context.js';

/** How to dispatch or store an event while its hub waits for the answer. */
export interface PendingDelivery {
  /** @param deadline the time left for the answer, if the hub has already been waiting */
  readonly dispatch: (deadline?: AnswerDeadline) => PendingAnswer;
  /** The time left until the hub must have its answer. */
  readonly deadline: () => AnswerDeadline;
  /** Stores the event before it is known whether it is a duplicate. */
  readonly storeUndecided: (deadline: AnswerDeadline) => Promise<UndecidedWrite>;
}

/** Decides about an event once its dedupe keys are known. */
export interface DeliveryDecision {
  /** Dispatches the event unless it is a duplicate. Calls `onStarted` when the event is in progress. */
  readonly dispatchIfNew: (dispatch: () => PendingAnswer, onStarted: () => void) => Promise<DeliveryAnswer>;
  /** Decides about an event that is stored and whose hub has its answer. Never rejects. */
  readonly decideStored: (undecided: UndecidedEvent) => Promise<void>;
}

/**
 * Delivers events that must be parsed first. Events of one subscription keep their order.
 *
 * Parsing counts toward the ack timeout (PROTOCOL C9). After this timeout the event is stored and the hub gets its
 * answer. The decision about the event follows when parsing ends.
 */
export async function deliverAfterParsing(
  { mutex, ackTimeout }: { readonly mutex: KeyedMutex; readonly ackTimeout: AckTimeout },
  context: EventContext,
  dedupeKeys: Awaitable<readonly DedupeKey[]>,
  delivery: PendingDelivery,
  decision: DeliveryDecision,
): Promise<DeliveryAnswer> {
  const deadline = delivery.deadline();
  let undecidedWrite: Promise<UndecidedWrite> | undefined;
  let answer: Promise<DeliveryAnswer> | undefined;
  const decided = mutex.runExclusive(context.subscription.record.id, async () => {
    context.dedupeKeys = await dedupeKeys;
    if (undecidedWrite !== undefined) {
      const { undecided } = await undecidedWrite;
      if (undecided !== undefined) await decision.decideStored(undecided);
      return;
    }
    // The next event may proceed as soon as this one is in progress, because its handler may take any time.
    await new Promise<void>((onStarted) => {
      answer = decision.dispatchIfNew(() => delivery.dispatch(deadline), onStarted);
      answer.then(
        () => onStarted(),
        () => onStarted(),
      );
    });
  });
  await ackTimeout.wait(decided, deadline.handlerMs);
  if (answer !== undefined) return answer;
  undecidedWrite = delivery.storeUndecided(deadline);
  return (await undecidedWrite).answer;
}
