import { AnswerDeadline } from './answer-deadline.js';
import type { DeliveryOptions } from '../delivery-options.js';
import type { DeliveryTarget } from '../delivery-target.js';
import type { EventContext } from '../report.js';

/**
 * The time a hub still waits for the answer to an event.
 *
 * @param elapsedMs milliseconds between the last byte and the reception
 */
export function answerDeadlineOf(
  { now, storeTimeoutMs }: Pick<DeliveryOptions, 'now' | 'storeTimeoutMs'>,
  { delivery }: DeliveryTarget,
  { meta }: EventContext,
  elapsedMs: number,
): AnswerDeadline {
  // The handler may have taken its time before it returned.
  const totalElapsedMs = elapsedMs + Math.max(0, now() - meta.receivedAt);
  return new AnswerDeadline({ ackAfterMs: delivery.ackAfterMs, storeTimeoutMs }, totalElapsedMs);
}
