import { normalizeUrl } from '../../protocol/hub-query.js';
import { linksFromHeaders } from '../../protocol/links/link-header.js';
import type { CallbackMatch, StoredSubscription } from '../../subscription/registry/registry.js';
import { isHubRecovery } from '../../subscription/machine/steps/on-hub-delivered.js';
import type { TransitionInput } from '../../subscription/machine/transition-types.js';
import type { CallbackRequest } from '../callback-request.js';
import type { CallbackContext, ServedMatch } from '../callback-context.js';
import { log } from '../../log-events.js';

/**
 * Applies what genuine content proves about its hub: the hub delivers. Its `Link` headers may also name another hub or
 * topic (PROTOCOL N1, L7).
 */
export function noteHubActivity(
  context: CallbackContext,
  match: ServedMatch,
  request: CallbackRequest,
  isSigned: boolean,
): void {
  const { grant } = match;
  if (isHubRecovery(grant, isSigned))
    applyInput(context, match, { type: 'hub-delivered', grantId: grant.id, isSigned });
  if (namesOtherHubOrTopic(match, request.header('link'))) applyInput(context, match, { type: 'links-differ' });
}

/** Applies an input to the subscription without delaying the answer. A failure is only logged. */
function applyInput({ registry, logger }: CallbackContext, { stored }: ServedMatch, input: TransitionInput): void {
  const { id } = stored.record;
  registry.apply(id, input).catch((cause: unknown) => {
    log(logger, 'hub-activity.not-stored', { subscription: id, err: cause });
  });
}

/** The latest `Link` header by subscription. An equal one is not parsed again. */
const lastLinkHeader = new WeakMap<StoredSubscription, string>();

/** Maximum length of a header to parse, in characters. */
const MAX_HEADER_LENGTH = 16_384;

/**
 * Whether the `Link` headers of pushed content name another hub or topic than the subscription knows (PROTOCOL L7).
 * Ignores the difference between http and https, and headers equal to the last ones.
 *
 * @param link the headers joined by commas; undefined without any
 */
function namesOtherHubOrTopic({ stored, grant }: CallbackMatch, link: string | undefined): boolean {
  if (link === undefined || lastLinkHeader.get(stored) === link) return false;
  lastLinkHeader.set(stored, link);
  if (link.length > MAX_HEADER_LENGTH) return false;
  const { hubs, topic } = stored.record;
  const { hubs: namedHubs, selfs } = linksFromHeaders([link], grant.topic);
  const knownHubs = new Set([...hubs, grant.advertisedHub, grant.hub].map(normalizedUrl));
  const knownTopics = new Set([grant.topic, topic ?? grant.topic].map(normalizedUrl));
  return (
    namedHubs.some((hub) => !knownHubs.has(normalizedUrl(hub))) ||
    selfs.some((self) => !knownTopics.has(normalizedUrl(self)))
  );
}

/** The normalized URL, with https in place of http. */
function normalizedUrl(url: string): string {
  return normalizeUrl(url.replace(/^http:/i, 'https:'));
}
