import type { DeliveryAnswer } from '../../delivery/delivery-answer.js';
import { contentCodings } from '../../protocol/encoding/content-encoding.js';
import { parseSignature, SignatureCheck, type ParsedSignature } from '../../protocol/signature.js';
import { isOver, isNeverRequested } from '../../subscription/machine/state.js';
import {
  acknowledgement,
  closingErrorAnswer,
  errorAnswer,
  STOPPED,
  unavailable,
  type CallbackAnswer,
} from '../answer.js';
import { REASON } from '../answer-reasons.js';
import type { CollectedBytes } from '../body/collected-bytes.js';
import { acceptedKeys } from './accepted-keys.js';
import type { BodyProblem, CallbackRequest, HeaderPairs } from '../callback-request.js';
import type { CallbackContext, ServedMatch } from '../callback-context.js';
import { decodeBody } from './decoding.js';
import type { Exchange } from '../exchange.js';
import { noteHubActivity } from './hub-activity.js';
import type { RequestLog } from '../request-log.js';
import { PushedContent } from './pushed-content.js';
import { log } from '../../log-events.js';

/** `Retry-After` of the 503 if the inbox is full or the store is down, in seconds. */
const RETRY_AFTER_SECONDS = 30;

/**
 * Answers a POST: content distribution (WebSub section 7). Error answers that need only the headers are sent before the
 * body is read (PROTOCOL C6).
 */
export function answerDistribution(context: CallbackContext, match: ServedMatch, exchange: Exchange): void {
  const earlyAnswer = earlyErrorAnswer(match);
  if (earlyAnswer !== undefined) {
    exchange.answer(() => earlyAnswer);
    return;
  }
  const { request, requestLog } = exchange;
  const { grant, service } = match;
  const { keys, unsigned } = acceptedKeys(grant.secrets, context.now());
  const signature = parseSignature(signatureHeader(request), service.signature.algorithms);
  if (!unsigned && 'problem' in signature) {
    requestLog?.setRejected();
    exchange.answer(() => rejectSignature(context, match, signature));
    return;
  }
  if (context.delivery.isFull(service)) {
    exchange.answer(() => inboxFull(context, match));
    return;
  }
  const check = 'problem' in signature ? undefined : new SignatureCheck(signature, keys);
  request.read(
    context.limits,
    grant.id,
    (chunk) => check?.update(chunk),
    (read) =>
      exchange.answer(() => {
        if ('problem' in read) return unreadBody(context, match, read.problem);
        requestLog?.setBody(read.body.size);
        const isSigned = check?.isValid() === true;
        if (!isSigned && !unsigned) {
          requestLog?.setRejected();
          return rejectSignature(context, match, signature);
        }
        noteHubActivity(context, match, request, isSigned);
        return acceptContent(context, match, exchange, read.body);
      }),
  );
}

/** The error answer that follows from the subscription's state; undefined if the state allows content. */
function earlyErrorAnswer({ stored: { record }, grant }: ServedMatch): CallbackAnswer | undefined {
  if (isNeverRequested(grant)) return errorAnswer(404, REASON.neverRequested);
  if (record.stoppedBecause === 'handler-refused' && grant.verifiedAt === undefined) {
    return errorAnswer(404, REASON.refusedByHandler);
  }
  if (isOver(grant) || record.stoppedBecause === 'deleted') return errorAnswer(410, REASON.ended);
  return undefined;
}

/** The answer to content while the inbox is full. The body is not read, so the content may be forged. */
function inboxFull({ overloadRecovery }: CallbackContext, match: ServedMatch): CallbackAnswer {
  overloadRecovery.onRefusedUnread(match, REASON.inboxFull);
  return unavailable(REASON.inboxFull, RETRY_AFTER_SECONDS);
}

/** The answer to genuine content. */
function acceptContent(
  context: CallbackContext,
  match: ServedMatch,
  { request, requestLog }: Exchange,
  body: CollectedBytes,
): CallbackAnswer | Promise<CallbackAnswer> {
  const headers = request.headers();
  const codings = contentCodings(request.header('content-encoding'));
  if (codings.length === 0) return deliverContent(context, match, new PushedContent(headers, body), 0, requestLog);
  return acceptEncoded(context, match, headers, { body, codings, requestLog });
}

/** The answer to genuine content that has a `Content-Encoding`. */
async function acceptEncoded(
  context: CallbackContext,
  match: ServedMatch,
  headers: () => HeaderPairs,
  {
    body,
    codings,
    requestLog,
  }: {
    readonly body: CollectedBytes;
    readonly codings: readonly string[];
    readonly requestLog: RequestLog | undefined;
  },
): Promise<CallbackAnswer> {
  const startedAt = performance.now();
  const raw = body.bytes();
  const decoded = await decodeBody(raw, codings, context.limits, match.grant.id);
  const spentMs = performance.now() - startedAt;
  if ('bytes' in decoded) {
    // The result is `raw` if the body was plain despite its header. It is not stored twice.
    const bytes = decoded.bytes === raw ? undefined : decoded.bytes;
    return deliverContent(context, match, new PushedContent(headers, body, bytes), spentMs, requestLog);
  }
  if (decoded.problem === 'too-large') return errorAnswer(413, REASON.decodedTooLarge);
  if (decoded.problem === 'stopped') {
    return unavailableFor(context, match, REASON.decodingStopped);
  }
  return deliverContent(context, match, new PushedContent(headers, body, 'undecodable'), spentMs, requestLog);
}

/**
 * Delivers content, and answers synchronously if the handler returns synchronously.
 *
 * @param spentMs milliseconds spent on decoding the body
 */
function deliverContent(
  context: CallbackContext,
  match: ServedMatch,
  content: PushedContent,
  spentMs: number,
  requestLog: RequestLog | undefined,
): CallbackAnswer | Promise<CallbackAnswer> {
  // The runtime may have stopped while the content arrived.
  if (context.closing.areCallbacksClosed) return STOPPED;
  const { stored, grant, service } = match;
  const failure = context.store.failure?.();
  if (failure !== undefined) {
    log(context.logger, 'delivery.not-stored', { subscription: stored.record.id, err: failure });
    return unavailableFor(context, match, REASON.notStored);
  }
  const answer = context.delivery.deliver(service, stored, grant, content, spentMs, requestLog?.setEvent);
  return answer instanceof Promise
    ? answer.then((resolved) => toCallbackAnswer(context, match, resolved))
    : toCallbackAnswer(context, match, answer);
}

function toCallbackAnswer(context: CallbackContext, match: ServedMatch, answer: DeliveryAnswer): CallbackAnswer {
  if (answer.type === 'deleted') return errorAnswer(410, answer.error.message, answer.error);
  if (answer.type === 'unavailable') return unavailableFor(context, match, answer.reason);
  return acknowledgement(202, answer.acknowledgement);
}

/** Refuses genuine content for now. Many hubs never retry, so the topic is fetched later (PROTOCOL C7). */
function unavailableFor({ overloadRecovery }: CallbackContext, match: ServedMatch, reason: string): CallbackAnswer {
  overloadRecovery.onRefused(match, reason);
  return unavailable(reason, RETRY_AFTER_SECONDS);
}

function signatureHeader(request: CallbackRequest): string | undefined {
  const sha1 = request.header('x-hub-signature');
  const sha256 = request.header('x-hub-signature-256');
  if (sha256 === undefined) return sha1;
  return sha1 === undefined ? sha256 : `${sha1},${sha256}`;
}

function unreadBody(context: CallbackContext, match: ServedMatch, problem: BodyProblem): CallbackAnswer {
  const { logger, limits, overloadRecovery } = context;
  const fields = { subscription: match.stored.record.id };
  if (problem === 'failed') {
    overloadRecovery.onRefusedUnread(match, REASON.bodyFailed);
    return { ...unavailable(REASON.bodyFailed, RETRY_AFTER_SECONDS), close: true };
  }
  if (problem === 'too-large') {
    log(logger, 'delivery.too-large', { ...fields, maxBodyBytes: limits.maxBodyBytes });
    return closingErrorAnswer(413, REASON.bodyTooLarge);
  }
  if (problem === 'stalled') {
    log(logger, 'delivery.stalled', { ...fields, bodyTimeoutMs: limits.bodyTimeoutMs });
    return closingErrorAnswer(408, REASON.bodyStalled);
  }
  if (problem === 'memory-limit') {
    log(logger, 'delivery.memory-limit', fields);
    return closingErrorAnswer(408, REASON.tooManyBytesInFlight);
  }
  if (problem === 'aborted') return closingErrorAnswer(408, REASON.bodyIncomplete);
  log(logger, 'delivery.body-consumed', fields);
  return errorAnswer(500, REASON.bodyConsumed);
}

/** The answer to content with a missing or wrong signature. */
function rejectSignature(
  { rejections }: CallbackContext,
  match: ServedMatch,
  signature: ParsedSignature,
): CallbackAnswer {
  rejections.note(match, signature);
  return match.service.signature.onFailure === 'acknowledge'
    ? acknowledgement(202, undefined)
    : errorAnswer(403, REASON.wrongSignature);
}
