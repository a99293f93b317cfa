import type { DeliveryContext } from '../../delivery/delivery-context.js';
import { Throttle } from '../../delivery/throttle.js';
import { SignatureError } from '../../errors.js';
import { log } from '../../log-events.js';
import type { ParsedSignature } from '../../protocol/signature.js';
import { failureOf } from '../../subscription/record/failure.js';
import type { CallbackMatch, Registry } from '../../subscription/registry/registry.js';
import { grantSnapshot, subscriptionSnapshot } from '../../subscription/record/snapshot-of.js';

/**
 * Records content with a missing or wrong signature.
 *
 * Each one is counted and emitted to the hook. One a minute is logged and stored as the subscription's `lastError`, so
 * that a flood costs neither memory nor writes.
 */
export class RejectionLog {
  readonly #context: DeliveryContext;
  readonly #registry: Registry;
  readonly #throttle = new Throttle();

  constructor(context: DeliveryContext, registry: Registry) {
    this.#context = context;
    this.#registry = registry;
  }

  note({ stored, grant }: CallbackMatch, signature: ParsedSignature): void {
    const { hooks, logger, now } = this.#context;
    const { record, counters } = stored;
    counters.rejected();
    hooks.emit('rejected', () => ({
      subscription: subscriptionSnapshot(record, counters.stats()),
      grant: grantSnapshot(grant),
      error: signatureErrorOf(signature, grant.hub),
      at: new Date(now()),
    }));
    const suppressed = this.#throttle.tryPass(stored, now());
    if (suppressed === undefined) return;
    const error = signatureErrorOf(signature, grant.hub);
    const { id } = record;
    log(logger, 'delivery.rejected', {
      subscription: id,
      hub: grant.hub,
      topic: grant.topic,
      problem: 'problem' in signature ? signature.problem : 'wrong',
      suppressed,
      detail: error.message,
    });
    this.#registry
      .apply(id, { type: 'content-rejected', failure: failureOf(error, 'unsigned', now()) })
      .catch((cause: unknown) => log(logger, 'delivery.rejection-not-stored', { subscription: id, err: cause }));
  }
}

function signatureErrorOf(signature: ParsedSignature, hub: string): SignatureError {
  return new SignatureError(signatureProblem(signature, hub));
}

function signatureProblem(signature: ParsedSignature, hub: string): string {
  if (!('problem' in signature)) {
    return 'The signature of the content is wrong: the hub used another secret, or something on the way changed the bytes.';
  }
  if (signature.problem === 'malformed') return 'The signature of the content is malformed.';
  if (signature.problem === 'algorithm')
    return 'The signature of the content uses an algorithm that signature.algorithms does not accept.';
  return (
    `The content is not signed, although hub ${hub} received a secret. ` +
    'If the hub does not sign, set secret: false to accept unsigned content.'
  );
}
