import type { Turns } from '../../engine/keyed-mutex.js';
import type { Awaitable } from '../message/awaitable.js';
import type { AnswerTime } from '../handler/answer-deadline.js';
import type { DeliveryAnswer } from '../delivery-answer.js';
import type { Held } from '../inbox/event-writer.js';
import type { PendingAnswer } from './in-progress-keys.js';
import type { Patience } from '../handler/ack-timeout.js';
import type { Piece } from './dedupe-key.js';
import type { Reception } from '../report.js';

/** How an event is handed over while a hub waits. */
export interface Handing {
  /** @param time what the hub still waits, where it has waited already */
  readonly hand: (time?: AnswerTime) => PendingAnswer;
  /** The time the hub still waits. */
  readonly time: () => AnswerTime;
  /** Stores it before it is known whether it is news. */
  readonly hold: (time: AnswerTime) => Promise<{ readonly answer: DeliveryAnswer; readonly held?: Held }>;
}

/** The decision about an event once its entries are known. */
export interface Deciding {
  /** Hands it over if it is news. `onBegun` is told when it is in hand. */
  readonly now: (hand: () => PendingAnswer, onBegun: () => void) => Promise<DeliveryAnswer>;
  /** The same for an event that is in the store and whose hub has its answer. Never rejects. */
  readonly held: (held: Held) => Promise<void>;
}

/**
 * Hands events over that have to be parsed first. Those of a subscription keep their order, whatever each takes. A hub does
 * not wait longer for that than it does for a handler (PROTOCOL C9): then the event is stored, the hub answered, and what is
 * to become of the event is decided when it is parsed.
 */
export async function deliverParsed(
  { turns, patience }: { readonly turns: Turns; readonly patience: Patience },
  reception: Reception,
  pieces: Awaitable<readonly Piece[]>,
  handing: Handing,
  deciding: Deciding,
): Promise<DeliveryAnswer> {
  const time = handing.time();
  let holding: ReturnType<Handing['hold']> | undefined;
  let answer: Promise<DeliveryAnswer> | undefined;
  const turn = turns.take(reception.entry.record.id, async () => {
    reception.pieces = await pieces;
    if (holding !== undefined) {
      const { held } = await holding;
      if (held !== undefined) await deciding.held(held);
      return;
    }
    // The next one may go on as soon as this one is in hand: its handler may take any time.
    await new Promise<void>((onBegun) => {
      answer = deciding.now(() => handing.hand(time), onBegun);
      answer.then(
        () => onBegun(),
        () => onBegun(),
      );
    });
  });
  await patience.wait(turn, time.forHandler);
  if (answer !== undefined) return answer;
  holding = handing.hold(time);
  return (await holding).answer;
}
