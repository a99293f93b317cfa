import { DEFAULT_CONTENT_TYPE, documentWithLinks } from './discovery-document.js';
import { retryAfterHeader } from '../retry-after-header.js';
import type { DiscoveryLinks } from './discovery-document.js';
import type { Answer } from '../loopback-server.js';
import type { ReceivedRequest } from '../subscriptions/received-request.js';
import type { Distributor, TopicOptions } from './topic-options.js';

/** The resource of a topic, as its publisher serves it. */
export interface TopicResource {
  readonly self: string;
  /** Other hubs that also distribute this topic. */
  readonly distributors: readonly Distributor[];
  /** Content type of content published without one. */
  readonly contentType: string;
  change(options: TopicOptions): void;
  show(body: string | Uint8Array, contentType: string): void;
  answer(request: ReceivedRequest): Answer;
}

export function createTopicResource(hub: Distributor, url: string, initial: TopicOptions): TopicResource {
  let options = initial;
  let published: { body: string | Uint8Array; contentType: string } | undefined;

  const hubs = (): ReadonlyArray<string | Distributor> => options.hubs ?? [hub];
  const contentType = (): string => options.contentType ?? DEFAULT_CONTENT_TYPE[options.discovery ?? 'link-header'];
  const links = (): DiscoveryLinks => ({
    hubs: hubs().map((one) => (typeof one === 'string' ? one : one.url)),
    self: options.self === false ? undefined : (options.self ?? url),
  });

  return {
    get self() {
      return options.self === false ? url : (options.self ?? url);
    },
    get distributors() {
      return hubs()
        .filter((one) => typeof one !== 'string')
        .filter((one) => one !== hub);
    },
    get contentType() {
      return contentType();
    },
    change(changed) {
      options = { ...options, ...changed };
      if ('body' in changed) published = undefined;
    },
    show(body, type) {
      published = { body, contentType: type };
    },
    answer({ method }): Answer {
      const { status = 200, retryAfter, moved, discovery = 'link-header', body = '' } = options;
      if (method !== 'GET' && method !== 'HEAD') return { status: 405, headers: { allow: 'GET, HEAD' } };
      if (moved) return { status: moved.status ?? 301, headers: { location: moved.to } };
      if (status !== 200) {
        return { status, headers: retryAfterHeader(retryAfter), body: `This topic is configured to answer ${status}` };
      }
      const shown = published ?? { body, contentType: contentType() };
      const document = documentWithLinks(discovery, { ...shown, body: Buffer.from(shown.body) }, links());
      const link = discovery === 'link-header' ? linkHeader(links()) : '';
      return {
        status,
        headers: { 'content-type': document.contentType, ...(link && { link }) },
        body: document.body,
      };
    },
  };
}

function linkHeader({ hubs, self }: DiscoveryLinks): string {
  const links = [...hubs.map((hub) => `<${hub}>; rel="hub"`), ...(self === undefined ? [] : [`<${self}>; rel="self"`])];
  return links.join(', ');
}
