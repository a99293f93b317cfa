import { fetchTopic, type TopicContent, type Validators } from '../hub/fetch-topic.js';
import type { Pacing } from '../hub/pacing.js';
import type { WithheldCredentials } from '../hub/withheld-credentials.js';
import type { GrantRecord, SubscriptionRecord } from '../subscription/record.js';
import { isOver, isWorking } from '../subscription/state.js';
import type { ServiceTerms } from '../subscription/terms.js';
import type { GenuineContent } from './received-content.js';

/** What reading topics works with. */
export interface TopicReaderOptions {
  /** Turns at servers (PROTOCOL L5). */
  readonly pacing: Pick<Pacing, 'inTurn'>;
  readonly termsOf: (service: string) => ServiceTerms | undefined;
  readonly maxBytes: number;
  readonly withheld: Pick<WithheldCredentials, 'warn'>;
  /** Gives up what is being read. */
  readonly signal: AbortSignal;
}

/** Fetches what topics have at present, each server in its turn. */
export class TopicReader {
  readonly #options: TopicReaderOptions;

  constructor(options: TopicReaderOptions) {
    this.#options = options;
  }

  /**
   * @param known what the topic had when it was fetched last
   * @returns undefined where that is what it still has
   * @throws ResourceDiscoveryFailedError where it cannot be had
   */
  async read(
    { service, target }: SubscriptionRecord,
    { topic }: GrantRecord,
    known?: Validators,
  ): Promise<TopicContent | undefined> {
    const { pacing, termsOf, maxBytes, withheld, signal } = this.#options;
    const terms = termsOf(service);
    if (terms === undefined) throw new Error(`Service ${service} is not there`);
    const { discoveryConfig: config, allowPrivateNetworks } = terms;
    const givenBy = typeof target === 'string' ? target : target.topic;
    const onWithheld = (url: string): void => withheld.warn(service, url, givenBy);
    const request = { config, known, givenBy, allowPrivateNetworks, maxBytes, onWithheld, signal };
    let content: TopicContent | undefined;
    let hasBegun = false;
    await pacing.inTurn(topic, async () => {
      hasBegun = true;
      content = await fetchTopic(topic, request);
    });
    if (!hasBegun) throw new Error('The runtime stops: nothing is fetched any more.');
    return content;
  }

  /** What a notification without content is about, or why that cannot be had. */
  async pinged(record: SubscriptionRecord, grant: GrantRecord): Promise<GenuineContent | Error> {
    try {
      const content = await this.read(record, grant);
      return { headers: content?.headers ?? [], raw: content?.body ?? new Uint8Array() };
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }
}

/** The grant whose topic is the one to look at: one that works, else one that is to. */
export function readableGrant({ grants }: SubscriptionRecord): GrantRecord | undefined {
  return grants.find(isWorking) ?? grants.find((grant) => !isOver(grant)) ?? grants[0];
}

/** Whether a topic has a URL that can be fetched: FHIRcast's, say, has none. */
export function isFetchable(topic: string): boolean {
  return URL.canParse(topic) && /^https?:$/.test(new URL(topic).protocol);
}
