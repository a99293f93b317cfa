import { withTimeout } from '../../store/timeout.js';
import type { AnswerDeadline } from './answer-deadline.js';
import type { HandlerOutcome } from './handler-run.js';

/**
 * Ends a subscription because its handler has decided that. If the end cannot be stored, the run counts as failed.
 *
 * @param storeEnd stores that it has ended
 * @param deadline what the hub waits, where it does
 */
export async function endSubscription(
  outcome: HandlerOutcome,
  storeEnd: () => Promise<void>,
  deadline: AnswerDeadline | undefined,
): Promise<HandlerOutcome> {
  try {
    const write = storeEnd();
    await (deadline === undefined ? write : withTimeout(write, deadline.storeMs));
    return outcome;
  } catch (cause) {
    return { type: 'failed', error: new Error('the end of the subscription could not be stored', { cause }) };
  }
}
