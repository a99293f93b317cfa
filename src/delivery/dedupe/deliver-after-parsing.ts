import type { KeyedMutex } from '../../engine/keyed-mutex.js';
import type { Awaitable } from '../message/awaitable.js';
import type { AnswerDeadline } from '../handler/answer-deadline.js';
import type { DeliveryAnswer } from '../delivery-answer.js';
import type { UndecidedEvent } from '../inbox/event-writer.js';
import type { PendingAnswer } from './in-progress-keys.js';
import type { AckTimeout } from '../handler/ack-timeout.js';
import type { DedupeKey } from './dedupe-key.js';
import type { EventContext } from '../report.js';

/** How an event is handed over while a hub waits. */
export interface PendingDelivery {
  /** @param time what the hub still waits, where it has waited already */
  readonly dispatch: (time?: AnswerDeadline) => PendingAnswer;
  /** The time the hub still waits. */
  readonly deadline: () => AnswerDeadline;
  /** Stores it before it is known whether it is news. */
  readonly storeUndecided: (
    time: AnswerDeadline,
  ) => Promise<{ readonly answer: DeliveryAnswer; readonly held?: UndecidedEvent }>;
}

/** The decision about an event once its entries are known. */
export interface DeliveryDecision {
  /** Hands it over if it is news. `onBegun` is told when it is in hand. */
  readonly dispatchIfNew: (hand: () => PendingAnswer, onBegun: () => void) => Promise<DeliveryAnswer>;
  /** The same for an event that is in the store and whose hub has its answer. Never rejects. */
  readonly decideStored: (held: UndecidedEvent) => Promise<void>;
}

/**
 * Hands events over that have to be parsed first. Those of a subscription keep their order, whatever each takes. A hub does
 * not wait longer for that than it does for a handler (PROTOCOL C9): then the event is stored, the hub answered, and what is
 * to become of the event is decided when it is parsed.
 */
export async function deliverAfterParsing(
  { turns: mutex, patience: ackTimeout }: { readonly turns: KeyedMutex; readonly patience: AckTimeout },
  context: EventContext,
  dedupeKeys: Awaitable<readonly DedupeKey[]>,
  delivery: PendingDelivery,
  decision: DeliveryDecision,
): Promise<DeliveryAnswer> {
  const deadline = delivery.deadline();
  let undecidedWrite: ReturnType<PendingDelivery['storeUndecided']> | undefined;
  let answer: Promise<DeliveryAnswer> | undefined;
  const decided = mutex.runExclusive(context.subscription.record.id, async () => {
    context.dedupeKeys = await dedupeKeys;
    if (undecidedWrite !== undefined) {
      const { held: undecided } = await undecidedWrite;
      if (undecided !== undefined) await decision.decideStored(undecided);
      return;
    }
    // The next one may go on as soon as this one is in hand: its handler may take any time.
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
