import type { DeliveryAnswer } from '../delivery/delivery-answer.js';
import { SignatureError } from '../errors.js';
import { contentCodings, decodeContent } from '../protocol/content-encoding.js';
import { readSignature, SignatureCheck, type ReadSignature } from '../protocol/signature.js';
import { failureOf } from '../subscription/failure.js';
import { grantSnapshot, subscriptionSnapshot } from '../subscription/snapshot-of.js';
import { isOver, isUnasked } from '../subscription/state.js';
import { acknowledgement, closingRefusal, refusal, STOPPED, unavailable, type CallbackAnswer } from './answer.js';
import { acceptedKeys } from './accepted-keys.js';
import type { BodyRead, CallbackRequest } from './callback-request.js';
import type { CallbackOptions, ServedMatch } from './callback.js';
import type { Exchange } from './exchange.js';
import { SentContent } from './sent-content.js';

/** Seconds after which a hub may come again when the inbox is full, or the store is down. */
const COME_AGAIN_SECONDS = 30;

/** Answers a POST: content distribution (WebSub section 7). */
export function answerDistribution(options: CallbackOptions, match: ServedMatch, exchange: Exchange): void {
  const refused = refusedOutright(options, match);
  if (refused !== undefined) {
    exchange.answer(() => refused);
    return;
  }
  const { request } = exchange;
  const { grant, service } = match;
  const { keys, unsigned } = acceptedKeys(grant.secrets, options.now());
  const signature = readSignature(signatureHeader(request), service.signature.algorithms);
  const check = 'problem' in signature ? undefined : new SignatureCheck(signature, keys);
  request.read(
    options.limits,
    (chunk) => check?.update(chunk),
    (read) =>
      exchange.answer(() => {
        if ('problem' in read) return unread(options, match, read.problem);
        const isGenuine = unsigned || check?.holds() === true;
        return isGenuine ? received(options, match, request, read.bytes) : rejected(options, match, signature);
      }),
  );
}

/** The answer to content that is not to be read at all. */
function refusedOutright(
  { delivery }: CallbackOptions,
  { entry: { record }, grant, service }: ServedMatch,
): CallbackAnswer | undefined {
  if (isUnasked(grant)) return refusal(404, 'there is no such subscription yet');
  if (record.hold === 'handler-refused' && grant.verifiedAt === undefined) {
    return refusal(404, 'this subscription was refused');
  }
  if (isOver(grant) || record.hold === 'deleted') return refusal(410, 'this subscription has ended');
  return delivery.isFull(service) ? unavailable('too many events wait', COME_AGAIN_SECONDS) : undefined;
}

/** The answer to genuine content. */
function received(
  options: CallbackOptions,
  match: ServedMatch,
  request: CallbackRequest,
  raw: Uint8Array,
): CallbackAnswer | Promise<CallbackAnswer> {
  const headers = request.headers();
  const codings = contentCodings(request.header('content-encoding'));
  if (codings.length === 0) return handOver(options, match, new SentContent(headers, raw));
  return decodeContent(raw, codings, options.limits.maxBodyBytes).then((decoded) => {
    if ('bytes' in decoded) return handOver(options, match, new SentContent(headers, raw, decoded.bytes));
    return decoded.problem === 'too-large'
      ? refusal(413, 'the content is too large when decoded')
      : handOver(options, match, new SentContent(headers, raw, 'undecodable'));
  });
}

/** Nothing is waited for where the handler has just returned. */
function handOver(
  { delivery, isClosed }: CallbackOptions,
  { entry, grant, service }: ServedMatch,
  content: SentContent,
): CallbackAnswer | Promise<CallbackAnswer> {
  // The content may have taken its time.
  if (isClosed()) return STOPPED;
  const answer = delivery.deliver(service, entry, grant, content);
  return answer instanceof Promise ? answer.then(toCallbackAnswer) : toCallbackAnswer(answer);
}

function toCallbackAnswer(answer: DeliveryAnswer): CallbackAnswer {
  if (answer.type === 'deleted') return refusal(410, answer.error.message, answer.error);
  if (answer.type === 'unavailable') return unavailable(answer.reason, COME_AGAIN_SECONDS);
  return acknowledgement(202, answer.acknowledgement);
}

function signatureHeader(request: CallbackRequest): string | undefined {
  const sha1 = request.header('x-hub-signature');
  const sha256 = request.header('x-hub-signature-256');
  if (sha256 === undefined) return sha1;
  return sha1 === undefined ? sha256 : `${sha1},${sha256}`;
}

function unread(
  { logger, limits }: CallbackOptions,
  { entry }: ServedMatch,
  problem: Extract<BodyRead, { problem: string }>['problem'],
): CallbackAnswer {
  const fields = { subscription: entry.record.id };
  if (problem === 'too-large') {
    logger.warn(fields, `content over ${limits.maxBodyBytes} bytes was refused: see security.maxBodyBytes`);
    return closingRefusal(413, 'the content is too large');
  }
  if (problem === 'stalled') {
    logger.warn(fields, `content did not arrive within ${limits.bodyTimeoutMs} ms: see security.bodyTimeoutMs`);
    return closingRefusal(408, 'the content did not arrive in time');
  }
  if (problem === 'aborted') return closingRefusal(408, 'the content did not arrive whole');
  logger.error(
    fields,
    'the body was read before it got here, and its bytes are needed to check the signature: mount the runtime before ' +
      'any body parser, or have the parser keep the bytes as request.rawBody',
  );
  return refusal(500, 'the body was read by another part of the server');
}

function rejected(
  { registry, hooks, logger, now }: CallbackOptions,
  { entry, grant, service }: ServedMatch,
  signature: ReadSignature,
): CallbackAnswer {
  const { record, counters } = entry;
  const error = new SignatureError(explain(signature, grant.hub));
  counters.rejected();
  logger.warn({ subscription: record.id, hub: grant.hub, topic: grant.topic }, error.message);
  hooks.emit('rejected', () => ({
    subscription: subscriptionSnapshot(record, counters.stats()),
    grant: grantSnapshot(grant),
    error,
    at: new Date(now()),
  }));
  // One note is enough, however often it happens.
  if (record.lastError?.message !== error.message) {
    registry
      .apply(record.id, { type: 'content-rejected', failure: failureOf(error, 'unsigned', now()) })
      .catch((cause: unknown) => logger.error({ subscription: record.id, err: cause }, 'a failure could not be noted'));
  }
  return service.signature.onFailure === 'acknowledge'
    ? acknowledgement(202, undefined)
    : refusal(403, 'the content is not signed as it has to be');
}

function explain(signature: ReadSignature, hub: string): string {
  if (!('problem' in signature)) return 'The content is not signed with the secret of this subscription';
  if (signature.problem === 'malformed') return 'The signature of the content is malformed';
  if (signature.problem === 'algorithm') return 'The content is signed with an algorithm that is not accepted';
  return (
    `The content is not signed, although hub ${hub} was given a secret. ` +
    'If this hub does not sign, set secret: false to accept unsigned content'
  );
}
