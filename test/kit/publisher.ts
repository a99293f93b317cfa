import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { onTestFinished } from 'vitest';
import type { TestHub } from 'websub-subscriber/testing';
import { startHttpServer } from './http-server.js';

/** An entry for {@link atom} to write. */
export interface WrittenEntry {
  readonly id: string;
  /** When it was published, in epoch milliseconds. Without `updated` it was also updated then. */
  readonly publishedAt?: number;
  /** Epoch milliseconds. @default publishedAt */
  readonly updated?: number;
  /** @default id */
  readonly title?: string;
  readonly url?: string;
}

/** Writes an Atom feed. */
export function atom(entries: readonly WrittenEntry[]): string {
  const date = (name: string, at: number | undefined): string =>
    at === undefined ? '' : `<${name}>${new Date(at).toISOString()}</${name}>`;
  const entryElements = entries.map(({ id, publishedAt, updated = publishedAt, title = id, url }) => {
    const link = url === undefined ? '' : `<link href="${url}"/>`;
    const dates = `${date('published', publishedAt)}${date('updated', updated)}`;
    return `<entry><id>${id}</id><title>${title}</title>${link}${dates}</entry>`;
  });
  return `<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:feed</id><title>news</title>${entryElements.join('')}</feed>`;
}

/** A server of one feed. It serves updates also when its hub distributes none. */
export interface Publisher {
  url: string;
  /** The headers of each GET of the feed. */
  readonly requests: readonly IncomingHttpHeaders[];
  /** The status of each answer. */
  readonly statuses: readonly number[];
  body: string;
  contentType: string;
  /** The status of the next answers. Only 200 has the feed as its body. @default 200 */
  status: number;
  /** Whether it sends an ETag and answers 304 to a matching `If-None-Match`. @default true */
  hasEtag: boolean;
  /** Answers wait for this promise. */
  gate: Promise<void> | undefined;
}

/** Starts a publisher that advertises a hub. */
export async function startPublisher(hub: Pick<TestHub, 'url'>, body = atom([])): Promise<Publisher> {
  const requests: IncomingHttpHeaders[] = [];
  const statuses: number[] = [];
  const publisher: Publisher = {
    url: '',
    requests,
    statuses,
    body,
    contentType: 'application/atom+xml',
    status: 200,
    hasEtag: true,
    gate: undefined,
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    requests.push(request.headers);
    await publisher.gate;
    const { body: text, contentType, status, hasEtag } = publisher;
    const etag = `"${createHash('sha1').update(text).digest('hex')}"`;
    const isKnown = hasEtag && request.headers['if-none-match'] === etag;
    const code = status === 200 && isKnown ? 304 : status;
    statuses.push(code);
    response.writeHead(code, {
      'content-type': contentType,
      link: `<${hub.url}>; rel="hub", <${publisher.url}>; rel="self"`,
      ...(hasEtag ? { etag } : {}),
    });
    response.end(code === 200 ? text : '');
  };
  const server = await startHttpServer((request, response) => void answer(request, response));
  onTestFinished(() => server[Symbol.asyncDispose]());
  publisher.url = `${server.url}/feed`;
  return publisher;
}
