import { within } from '../../store/timeout.js';
import type { AnswerTime } from './answer-deadline.js';
import type { HandlerOutcome } from './handler-run.js';

/**
 * Ends a subscription because its handler has decided that. If the end cannot be stored, the run counts as failed.
 *
 * @param end stores that it has ended
 * @param time what the hub waits, where it does
 */
export async function endSubscription(
  outcome: HandlerOutcome,
  end: () => Promise<void>,
  time: AnswerTime | undefined,
): Promise<HandlerOutcome> {
  try {
    const ending = end();
    await (time === undefined ? ending : within(ending, time.forStore));
    return outcome;
  } catch (cause) {
    return { type: 'failed', error: new Error('the end of the subscription could not be stored', { cause }) };
  }
}
