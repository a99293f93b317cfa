import { AnswerTime } from './answer-deadline.js';
import type { DeliveryOptions } from '../delivery-options.js';
import type { DeliveryTarget } from '../delivery-target.js';
import type { Reception } from '../report.js';

/**
 * The time a hub still waits for the answer to an event.
 *
 * @param spentMs milliseconds between the last byte and the reception
 */
export function timeLeft(
  { now, storeTimeoutMs }: Pick<DeliveryOptions, 'now' | 'storeTimeoutMs'>,
  { delivery }: DeliveryTarget,
  { meta }: Reception,
  spentMs: number,
): AnswerTime {
  // The handler may have taken its time before it returned.
  const gone = spentMs + Math.max(0, now() - meta.receivedAt);
  return new AnswerTime({ ackAfterMs: delivery.ackAfterMs, storeTimeoutMs }, gone);
}
