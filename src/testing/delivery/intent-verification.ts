import { randomBytes } from 'node:crypto';
import { isSuccess } from './callback-client.js';
import { callbackGet } from './callback-query.js';
import { verifyModeOf } from '../faults/fault-layer.js';
import type { Delivery } from './delivery.js';
import type { HubContext } from '../hub-context.js';
import type { HubFaults, VerifyMode } from '../faults/hub-faults.js';
import type { SubscriptionRequest } from '../subscriptions/subscription-request.js';
import type { AnswerViolationCode } from '../checks/violation.js';
import { violationMessage } from '../checks/violation-messages.js';

/** Seconds granted when the subscriber requests no lease: ten days. */
const DEFAULT_LEASE_SECONDS = 864_000;

/** An intent to verify, and whether the verification is unsolicited. */
export interface Intent extends Pick<SubscriptionRequest, 'mode' | 'topic' | 'callback' | 'leaseSeconds' | 'secret'> {
  readonly verifyToken?: string | undefined;
  readonly isUnsolicited?: boolean;
}

export interface VerificationOutcome {
  readonly confirmed: boolean;
  readonly delivery: Delivery;
}

/**
 * Verifies a subscriber's intent (WebSub section 5.3) and updates the subscription table. When confirmed, the
 * subscription becomes active or unsubscribed. When not confirmed, a pending subscription becomes `refused`; an active
 * one does not change.
 */
export async function verifyIntent(context: HubContext, intent: Intent): Promise<VerificationOutcome> {
  // Wait before registering the verification: a held-back verification must not hold back content too.
  const { holdBacks } = context;
  if (holdBacks.isHeldBack('verification')) await holdBacks.whenReleased('verification');
  const outcome = verifyRepeatedly(context, intent);
  context.verifications.add(outcome);
  try {
    return await outcome;
  } finally {
    context.verifications.delete(outcome);
  }
}

/** Resolves with the first confirmed outcome, or else with the last outcome. */
async function verifyRepeatedly(context: HubContext, intent: Intent): Promise<VerificationOutcome> {
  const { verifyTimes = 1 } = context.faultsOf(intent.topic);
  let outcome = await verify(context, intent);
  for (let time = 1; time < verifyTimes; time += 1) {
    const next = await verify(context, intent);
    if (!outcome.confirmed) outcome = next;
  }
  return outcome;
}

/** Seconds granted: set by the faults, else requested by the intent, else ten days. Undefined means forever. */
export function grantedLease({ leaseSeconds }: HubFaults, intent: Pick<Intent, 'leaseSeconds'>): number | undefined {
  const lease = leaseSeconds ?? intent.leaseSeconds ?? DEFAULT_LEASE_SECONDS;
  return lease === 'perpetual' ? undefined : lease;
}

async function verify(context: HubContext, intent: Intent): Promise<VerificationOutcome> {
  const faults = context.faultsOf(intent.topic);
  const mode = verifyModeOf(faults, intent.mode);
  const endCount = context.subscriptions.endCountOf(intent);
  const leaseSeconds = grantedLease(faults, intent);
  // Base64 with its +, / and =: a conforming challenge that careless decoding corrupts.
  const challenge = randomBytes(32).toString('base64');
  const sent = callbackGet(intent.callback, {
    'hub.mode': mode === 'wrong-mode' ? otherMode(intent.mode) : intent.mode,
    'hub.topic': mode === 'wrong-topic' ? wrongTopic(intent.topic) : intent.topic,
    'hub.challenge': challenge,
    'hub.lease_seconds': intent.mode === 'unsubscribe' ? undefined : announcedLease(faults, leaseSeconds),
    'hub.verify_token': intent.verifyToken,
  });
  const delivery = await context.send('verification', intent, sent);
  const isEchoed = isSuccess(delivery) && delivery.body === challenge;
  recordViolation(context, intent, mode, delivery, isEchoed);

  const confirmed = isEchoed && !isMisleading(mode);
  if (confirmed && intent.mode === 'unsubscribe') {
    context.subscriptions.end(intent, 'unsubscribed');
  } else if (confirmed) {
    const { secret } = intent;
    context.subscriptions.recordVerified(intent, { leaseSeconds, secret, endCount });
  } else if (context.subscriptions.find(intent)?.state === 'pending') {
    context.subscriptions.end(intent, 'refused');
  }
  return { confirmed, delivery };
}

/** Whether a verification in this mode never counts as confirmed. */
export function isMisleading(mode: VerifyMode | undefined): boolean {
  return mode === 'wrong-topic' || mode === 'wrong-mode' || mode === 'wrong-challenge';
}

function announcedLease({ announcedLease: announced }: HubFaults, granted: number | undefined): string | undefined {
  if (announced === false) return undefined;
  return (announced ?? granted)?.toString();
}

const otherMode = (mode: Intent['mode']): Intent['mode'] => (mode === 'subscribe' ? 'unsubscribe' : 'subscribe');

function wrongTopic(topic: string): string {
  return new URL('/a-topic-nobody-asked-for', topic).href;
}

function recordViolation(
  { violations }: HubContext,
  { mode, topic, isUnsolicited }: Intent,
  verifyMode: VerifyMode | undefined,
  delivery: Delivery,
  isEchoed: boolean,
): void {
  const record = (code: AnswerViolationCode, value?: string): void => {
    violations.push({ code, message: violationMessage(code, topic, value), delivery });
  };
  if (!isEchoed) {
    if (isSuccess(delivery)) record('challenge-not-echoed', String(delivery.status));
  } else if (verifyMode === 'wrong-topic') {
    record('confirmed-wrong-topic');
  } else if (verifyMode === 'wrong-mode') {
    record('confirmed-wrong-mode', otherMode(mode));
  } else if (isUnsolicited && mode === 'unsubscribe') {
    record('confirmed-unasked-unsubscription');
  }
}
