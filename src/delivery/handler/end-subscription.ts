import { withTimeout } from '../../store/timeout.js';
import type { AnswerDeadline } from './answer-deadline.js';
import type { HandlerOutcome } from './handler-run.js';

/**
 * Ends a subscription on its handler's request. If the end cannot be stored, the run counts as failed.
 *
 * @param storeEnd stores the end of the subscription
 * @param deadline the hub's remaining time, if a hub waits
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
    return { type: 'failed', error: new Error('The end of the subscription could not be stored.', { cause }) };
  }
}
