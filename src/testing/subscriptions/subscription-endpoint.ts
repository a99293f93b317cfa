import { denyRequest } from './denied-request.js';
import { verifyModeOf } from '../faults/fault-layer.js';
import { grantedLease, verifyIntent } from '../delivery/intent-verification.js';
import { checkRequest } from '../checks/request-violations.js';
import { retryAfterHeader } from '../retry-after-header.js';
import type { Answer } from '../loopback-server.js';
import type { HubContext } from '../hub-context.js';
import type { HubFaults } from '../faults/hub-faults.js';
import type { ReceivedRequest } from './received-request.js';
import type { AnswerBody, RequestFailure, RequestKind } from '../faults/request-faults.js';
import type { SubscriptionRequest } from './subscription-request.js';
import type { Violation } from '../checks/violation.js';

/**
 * Answers a request to the hub's URL (WebSub section 5.1). Applies the configured faults before serving, in this order:
 * failure, rate limit, redirect, required parameters, denial. Violations of the request are always recorded.
 */
export async function answerSubscriptionRequest(context: HubContext, request: ReceivedRequest): Promise<Answer> {
  const { violations, subscriptionRequest } = checkRequest(request, context);
  context.violations.push(...violations);
  if (subscriptionRequest?.mode === 'subscribe') context.subscriptions.markRequested(subscriptionRequest);
  const faults = context.faultsOf(request.form.get('hub.topic') ?? '');
  const answer = await answerOf(context, request, subscriptionRequest, violations, faults);
  await context.holdBacks.wait('answer', faults);
  return answer;
}

async function answerOf(
  context: HubContext,
  request: ReceivedRequest,
  subscriptionRequest: SubscriptionRequest | undefined,
  violations: readonly Violation[],
  faults: HubFaults,
): Promise<Answer> {
  const topic = request.form.get('hub.topic') ?? '';
  const kind = kindOf(context, request);
  const failure = context.takeFault('fail', topic, kind);
  if (failure) {
    if (failure.verifyFirst && subscriptionRequest) await verifyWhileOpen(context, subscriptionRequest, faults);
    return failureAnswer(failure, request);
  }
  const secondsToWait = context.countAgainstRateLimit(topic);
  if (secondsToWait !== undefined) return failureAnswer({ status: 429, retryAfter: secondsToWait }, request);
  const redirect = context.takeFault('redirect', topic, kind);
  if (redirect) return { status: redirect.status, headers: { location: redirect.to } };
  const missing = faults.requires?.filter((name) => !request.form.has(name)) ?? [];
  if (missing.length > 0) return { status: 400, body: `Missing required parameters: ${missing.join(', ')}` };
  return subscriptionRequest ? serve(context, request, subscriptionRequest, kind) : refusalAnswer(violations);
}

async function serve(
  context: HubContext,
  request: ReceivedRequest,
  subscriptionRequest: SubscriptionRequest,
  kind: RequestKind,
): Promise<Answer> {
  const faults = context.faultsOf(subscriptionRequest.topic);
  const verify = verifyModeOf(faults, subscriptionRequest.mode) ?? subscriptionRequest.verify ?? 'async';
  recordRequest(context, subscriptionRequest, faults);
  const accepted = { status: faults.accept?.status ?? 202, body: bodyOf(faults.accept?.body, request) };
  const denial = context.takeFault('deny', subscriptionRequest.topic, kind);
  if (denial) {
    if (verify !== 'sync') return { ...accepted, afterwards: () => denyRequest(context, subscriptionRequest, denial) };
    await denyRequest(context, subscriptionRequest, denial);
    return accepted;
  }
  if (verify === 'never') return accepted;
  const verified = { ...accepted, status: faults.accept?.status ?? (subscriptionRequest.verify ? 204 : 202) };
  if (verify === 'unchecked') {
    markVerified(context, subscriptionRequest, faults);
    return verified;
  }
  if (verify !== 'sync') return { ...accepted, afterwards: () => verifyIntent(context, subscriptionRequest) };
  const { confirmed, delivery } = await verifyIntent(context, subscriptionRequest);
  if (confirmed || faults.accept) return verified;
  const reason = delivery.error?.message ?? `The callback answered ${delivery.status}`;
  return { status: 409, body: `The ${subscriptionRequest.mode} request was not confirmed: ${reason}` };
}

async function verifyWhileOpen(
  context: HubContext,
  subscriptionRequest: SubscriptionRequest,
  faults: HubFaults,
): Promise<void> {
  recordRequest(context, subscriptionRequest, faults);
  await verifyIntent(context, subscriptionRequest);
}

function recordRequest(context: HubContext, subscriptionRequest: SubscriptionRequest, { secretFrom }: HubFaults): void {
  context.subscriptions.recordRequest(subscriptionRequest, { takesSecret: secretFrom === 'request' });
}

function markVerified(
  { subscriptions }: HubContext,
  subscriptionRequest: SubscriptionRequest,
  faults: HubFaults,
): void {
  if (subscriptionRequest.mode === 'unsubscribe') {
    subscriptions.end(subscriptionRequest, 'unsubscribed');
    return;
  }
  const endCount = subscriptions.endCountOf(subscriptionRequest);
  subscriptions.recordVerified(subscriptionRequest, {
    leaseSeconds: grantedLease(faults, subscriptionRequest),
    secret: subscriptionRequest.secret,
    endCount,
  });
}

function kindOf({ subscriptions }: HubContext, { form }: ReceivedRequest): RequestKind {
  if (form.get('hub.mode') === 'unsubscribe') return 'unsubscriptions';
  const key = { topic: form.get('hub.topic') ?? '', callback: form.get('hub.callback') ?? '' };
  return subscriptions.find(key)?.state === 'active' ? 'renewals' : 'new';
}

function failureAnswer({ status, retryAfter, body }: RequestFailure, request: ReceivedRequest): Answer {
  if (status === 'reset') return { status: 500, isReset: true };
  const text = bodyOf(body, request) ?? `This hub is configured to answer ${status}`;
  return { status, headers: retryAfterHeader(retryAfter), body: text };
}

function bodyOf(body: AnswerBody | undefined, request: ReceivedRequest): string | undefined {
  return typeof body === 'function' ? body(request) : body;
}

function refusalAnswer(violations: readonly Violation[]): Answer {
  const body = violations.map(({ message }) => message).join('; ');
  return violations.some(({ code }) => code === 'not-a-post')
    ? { status: 405, headers: { allow: 'POST' }, body }
    : { status: 400, body };
}
