import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { onTestFinished } from 'vitest';
import type { TestHub } from 'websub-subscriber/testing';
import { strangersServer } from './world.js';

/** An entry of a feed, as a test writes it. */
export interface Written {
  readonly id: string;
  /** When it was published and, where nothing else is said, updated: epoch milliseconds. */
  readonly at?: number;
  readonly updated?: number;
  readonly title?: string;
}

/** An Atom feed with these entries. */
export function atom(entries: readonly Written[]): string {
  const date = (name: string, at: number | undefined): string =>
    at === undefined ? '' : `<${name}>${new Date(at).toISOString()}</${name}>`;
  const written = entries.map(
    ({ id, at, updated = at, title = id }) =>
      `<entry><id>${id}</id><title>${title}</title>${date('published', at)}${date('updated', updated)}</entry>`,
  );
  return `<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:feed</id><title>news</title>${written.join('')}</feed>`;
}

/** A publisher of one feed, on a server of its own, that can do without its hub. */
export interface Publisher {
  url: string;
  /** The headers of each GET of the feed. */
  readonly asked: readonly IncomingHttpHeaders[];
  /** What each GET was answered. */
  readonly answered: readonly number[];
  body: string;
  contentType: string;
  /** Answered in place of the feed, where it is not 200. */
  status: number;
  /** Whether it sends an ETag, and answers 304 to who has it. */
  hasEtag: boolean;
  /** Nothing is answered before it. */
  turn: Promise<void> | undefined;
}

/** Starts a publisher that names a hub. */
export async function publisherAt(hub: Pick<TestHub, 'url'>, body = atom([])): Promise<Publisher> {
  const asked: IncomingHttpHeaders[] = [];
  const answered: number[] = [];
  const publisher: Publisher = {
    url: '',
    asked,
    answered,
    body,
    contentType: 'application/atom+xml',
    status: 200,
    hasEtag: true,
    turn: undefined,
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    asked.push(request.headers);
    await publisher.turn;
    const { body: text, contentType, status, hasEtag } = publisher;
    const etag = `"${createHash('sha1').update(text).digest('hex')}"`;
    const isKnown = hasEtag && request.headers['if-none-match'] === etag;
    const code = status === 200 && isKnown ? 304 : status;
    answered.push(code);
    response.writeHead(code, {
      'content-type': contentType,
      link: `<${hub.url}>; rel="hub", <${publisher.url}>; rel="self"`,
      ...(hasEtag ? { etag } : {}),
    });
    response.end(code === 200 ? text : '');
  };
  const server = await strangersServer((request, response) => void answer(request, response));
  onTestFinished(() => server[Symbol.asyncDispose]());
  publisher.url = `${server.url}/feed`;
  return publisher;
}
