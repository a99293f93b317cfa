import { isNews } from '../../subscription/machine/steps/denial-undone.js';
import type { SubscriptionEvent } from '../../subscription/machine/events.js';
import type { CallbackRequest } from '../callback-request.js';
import type { CallbackContext, ServedMatch } from '../callback-context.js';
import { namesOtherPlace } from './pushed-links.js';

/** Genuine content says more than its body: that its hub delivers, and where the topic is (PROTOCOL N1, L7). */
export function heardFromHub(
  options: CallbackContext,
  match: ServedMatch,
  request: CallbackRequest,
  isSigned: boolean,
): void {
  const { grant } = match;
  if (isNews(grant, isSigned)) note(options, match, { type: 'delivers', grantId: grant.id, isSigned });
  if (namesOtherPlace(match, request.header('link'))) note(options, match, { type: 'links-differ' });
}

/** The answer does not wait for it. Should it be lost, the next delivery says the same. */
function note({ registry, logger }: CallbackContext, { entry }: ServedMatch, event: SubscriptionEvent): void {
  const { id } = entry.record;
  registry.apply(id, event).catch((cause: unknown) => {
    logger.error({ subscription: id, err: cause }, 'what a delivery says of its hub could not be noted');
  });
}
