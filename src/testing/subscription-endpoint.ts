import { delayOf } from './fault-layer.js';
import { verifyIntent } from './intent-verification.js';
import { deny } from './notices.js';
import { checkRequest } from './request-violations.js';
import type { Answer } from './loopback-server.js';
import type { HubContext } from './hub-context.js';
import type { RequestFailure } from './hub-faults.js';
import type { ReceivedRequest } from './received-request.js';
import type { SubscriptionRequest } from './subscription-request.js';
import type { Violation } from './violation.js';

/**
 * Answers a request to the hub's URL (WebSub section 5.1). Before anything is served come, in this order, the failure, the
 * redirect and the denial that are set; what was wrong with the request is recorded in any case.
 */
export async function answerSubscriptionRequest(context: HubContext, request: ReceivedRequest): Promise<Answer> {
  const { violations, asked } = checkRequest(request, context);
  context.violations.push(...violations);
  const topic = request.form.get('hub.topic') ?? '';
  const faults = context.faultsOf(topic);
  await context.pause(delayOf(faults, 'answer'));

  const failure = context.takeFailure(topic);
  if (failure) return failureAnswer(failure);
  if (faults.redirect) return { status: faults.redirect.status, headers: { location: faults.redirect.to } };
  return asked ? serve(context, asked) : refusalAnswer(violations);
}

async function serve(context: HubContext, asked: SubscriptionRequest): Promise<Answer> {
  const faults = context.faultsOf(asked.topic);
  const { deny: reason, verify = asked.verify ?? 'async' } = faults;
  context.subscriptions.requested(asked);
  if (asked.mode === 'subscribe' && typeof reason === 'string') {
    return { status: 202, afterwards: () => deny(context, asked, reason) };
  }
  if (verify === 'never') return { status: 202 };
  if (verify !== 'sync') return { status: 202, afterwards: () => verifyIntent(context, asked) };
  const { confirmed, delivery } = await verifyIntent(context, asked);
  if (confirmed) return { status: asked.verify ? 204 : 202 };
  const why = delivery.error?.message ?? `The callback answered ${delivery.status}`;
  return { status: 409, body: `The ${asked.mode} request was not confirmed. ${why}` };
}

function failureAnswer({ status, retryAfter }: RequestFailure): Answer {
  const value = retryAfter instanceof Date ? retryAfter.toUTCString() : retryAfter?.toString();
  return {
    status,
    headers: value === undefined ? {} : { 'retry-after': value },
    body: `This hub was told to answer ${status}`,
  };
}

function refusalAnswer(violations: readonly Violation[]): Answer {
  const body = violations.map(({ message }) => message).join('; ');
  return violations.some(({ code }) => code === 'not-a-post')
    ? { status: 405, headers: { allow: 'POST' }, body }
    : { status: 400, body };
}
