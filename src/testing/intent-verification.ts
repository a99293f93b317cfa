import { randomBytes } from 'node:crypto';
import { isSuccess } from './callback-client.js';
import { callbackGet } from './callback-query.js';
import { delayOf } from './fault-layer.js';
import type { Delivery } from './delivery.js';
import type { HubContext } from './hub-context.js';
import type { HubFaults } from './hub-faults.js';
import type { SubscriptionRequest } from './subscription-request.js';
import type { AnswerViolationCode } from './violation.js';

/** Seconds granted to a subscriber that asks for none: ten days. */
export const DEFAULT_LEASE_SECONDS = 864_000;

/** An intent to be verified, and whether the subscriber asked for it. */
export interface Intent extends Pick<SubscriptionRequest, 'mode' | 'topic' | 'callback' | 'leaseSeconds' | 'secret'> {
  readonly verifyToken?: string | undefined;
  readonly unasked?: boolean;
}

export interface VerificationOutcome {
  readonly confirmed: boolean;
  readonly delivery: Delivery;
}

/**
 * Verifies a subscriber's intent (WebSub section 5.3) and enters the outcome in the subscription table: confirmed, the
 * subscription is active, or unsubscribed; otherwise a subscription not active before is `refused`, and one that is active
 * stays as it is.
 */
export async function verifyIntent(context: HubContext, intent: Intent): Promise<VerificationOutcome> {
  const outcome = verify(context, intent);
  context.verifications.add(outcome);
  try {
    return await outcome;
  } finally {
    context.verifications.delete(outcome);
  }
}

async function verify(context: HubContext, intent: Intent): Promise<VerificationOutcome> {
  const faults = context.faultsOf(intent.topic);
  const endings = context.subscriptions.endingsOf(intent);
  const lease = faults.leaseSeconds ?? intent.leaseSeconds ?? DEFAULT_LEASE_SECONDS;
  // Base64 with its +, / and =: a conforming challenge that does not survive careless decoding.
  const challenge = randomBytes(32).toString('base64');
  const sent = callbackGet(intent.callback, {
    'hub.mode': intent.mode,
    'hub.topic': faults.verify === 'wrong-topic' ? wrongTopic(intent.topic) : intent.topic,
    'hub.challenge': challenge,
    'hub.lease_seconds': intent.mode === 'unsubscribe' || lease === 'perpetual' ? undefined : String(lease),
    'hub.verify_token': intent.verifyToken,
  });
  const delivery = await context.send('verification', intent, sent, delayOf(faults, 'verification'));
  const echoed = isSuccess(delivery) && delivery.body === challenge;
  noteViolation(context, intent, faults, delivery, echoed);

  const confirmed = echoed && faults.verify !== 'wrong-topic' && faults.verify !== 'wrong-challenge';
  if (confirmed && intent.mode === 'unsubscribe') {
    context.subscriptions.ended(intent, 'unsubscribed');
  } else if (confirmed) {
    const { secret } = intent;
    const leaseSeconds = lease === 'perpetual' ? undefined : lease;
    context.subscriptions.verified(intent, { leaseSeconds, secret, endings });
  } else if (context.subscriptions.find(intent)?.state === 'pending') {
    context.subscriptions.ended(intent, 'refused');
  }
  return { confirmed, delivery };
}

function wrongTopic(topic: string): string {
  return new URL('/a-topic-nobody-asked-for', topic).href;
}

function noteViolation(
  { violations }: HubContext,
  { mode, topic, unasked }: Intent,
  { verify }: HubFaults,
  delivery: Delivery,
  echoed: boolean,
): void {
  const note = (code: AnswerViolationCode, message: string): void => {
    violations.push({ code, message, delivery });
  };
  if (!echoed) {
    if (isSuccess(delivery)) {
      note(
        'challenge-not-echoed',
        `The answer ${delivery.status} for ${topic} does not have the challenge as its body`,
      );
    }
  } else if (verify === 'wrong-topic') {
    note('confirmed-wrong-topic', `A topic nobody asked for was confirmed in place of ${topic}`);
  } else if (unasked && mode === 'unsubscribe') {
    note('confirmed-unasked-unsubscription', `An unsubscription from ${topic} that nobody asked for was confirmed`);
  }
}
