import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Agent } from 'undici';
import { describe, expect, test } from 'vitest';
import { discover } from '../../../src/hub/discovery/discover.js';
import { createDocumentLinkReader } from '../../../src/protocol/links/document-links.js';
import { linksFromHeaders } from '../../../src/protocol/links/link-header.js';
import { startServer } from '../../kit/recording-server.js';

interface HeaderCase {
  readonly name: string;
  readonly headers: readonly string[];
  readonly base: string;
  readonly expect: { readonly hubs: readonly string[]; readonly self: string | null; readonly error?: string };
  readonly advisory?: boolean;
}

interface DocumentCase {
  readonly file: string;
  readonly url: string;
  readonly contentType: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly expect: { readonly hubs: readonly string[]; readonly topic: string | null; readonly error?: string };
  readonly advisory?: boolean;
}

const corpus = fileURLToPath(new URL('../../../../shared/corpus/', import.meta.url));
const isAvailable = existsSync(corpus);

/** Path of every request except the one for the document. */
const ELSEWHERE = '/elsewhere';

const load = (file: string): unknown => JSON.parse(readFileSync(corpus + file, 'utf8'));

// The README of the corpus specifies their shape.
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
const headerCases = isAvailable ? (load('link-headers.json') as HeaderCase[]) : [];
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
const documentCases = isAvailable ? (load('expected.json') as { discovery: DocumentCase[] }).discovery : [];

/** Expectations we consider wrong, by name or file, with the reason. None so far. */
const DISPUTED: ReadonlyMap<string, string> = new Map();

describe.skipIf(!isAvailable)(`with the corpus in ${corpus}`, () => {
  test('all cases are read', () => {
    expect(headerCases).toHaveLength(59);
    expect(documentCases).toHaveLength(71);
  });

  test.each(headerCases)('D2 a Link header is read ($name)', ({ name, headers, base, expect: expected, advisory }) => {
    // As sent on the wire, and joined as fetch returns them.
    for (const values of [headers, [headers.join(', ')]]) {
      const { hubs, selfs } = linksFromHeaders(values, base);
      check(name, advisory, () => {
        expect(hubs).toEqual(expected.hubs);
        // The corpus has URLs normalized by `new URL()`. A topic stays as the publisher wrote it.
        const [self] = selfs;
        expect(selfs.length === 1 && self !== undefined ? normalize(self) : null).toBe(expected.self);
        expect(selfs.length > 1).toBe(expected.error === 'multiple-self');
      });
    }
  });

  test.each(documentCases)('D1 to D6 $file is discovered', async ({ file, expect: expected, advisory, ...served }) => {
    await using server = await startServer(({ path }, response) => {
      if (path === ELSEWHERE) {
        response.writeHead(404).end();
        return;
      }
      for (const [name, value] of served.headers ?? []) response.appendHeader(name, value);
      response.setHeader('Content-Type', served.contentType);
      response.end(readFileSync(corpus + file));
    });
    // Every connection goes to this server, so that the document keeps the publisher's URL. The feeds that a page
    // lists answer 404.
    const dispatcher = new Agent().compose((dispatch) => (request, handler) => {
      const isServed = `${String(request.origin)}${request.path}` === normalize(served.url);
      return dispatch({ ...request, origin: server.url, path: isServed ? request.path : ELSEWHERE }, handler);
    });
    const result = await discover(served.url, { httpConfig: { dispatcher } }).catch((error: unknown) => error);
    const { error, ...links } = expected;
    check(file, advisory, () => {
      expect(result).toMatchObject(error === undefined ? { ...links, url: normalize(served.url) } : { reason: error });
    });
    await dispatcher.close();
  });

  test('D11 the alternate feeds of five pages without a hub are found', async () => {
    const pages = documentCases.filter(({ file }) => /\/0(?:07|08|09|21|24)-/.test(file));
    for (const { file, url, contentType } of pages) {
      const reader = createDocumentLinkReader({ url: normalize(url), contentType });
      reader.write(readFileSync(corpus + file));
      expect([...(reader.end().feeds ?? [])]).toHaveLength(file.includes('/008') || file.includes('/009') ? 2 : 1);
    }
    expect(pages).toHaveLength(5);
  });

  test.each(documentCases.filter(({ headers }) => headers === undefined))(
    'D3 to D6 the links of $file are found in chunks of any size',
    ({ file, url, contentType, expect: expected, advisory }) => {
      const bytes = readFileSync(corpus + file);
      for (const size of [7, 1000, bytes.length]) {
        const reader = createDocumentLinkReader({ url: normalize(url), contentType });
        for (let at = 0; at < bytes.length; at += size) if (reader.write(bytes.subarray(at, at + size))) break;
        const { hubs, selfs } = reader.end();
        const topic = hubs.length === 0 || selfs.length > 1 ? null : normalize(selfs[0] ?? url);
        check(file, advisory, () => {
          expect({ hubs, topic }).toMatchObject({ hubs: expected.hubs, topic: expected.topic });
        });
      }
    },
  );
});

const normalize = (url: string): string => new URL(url).href;

/** An advisory expectation is reported, not required. */
function check(name: string, advisory: boolean | undefined, assertions: () => void): void {
  if (DISPUTED.has(name)) return;
  try {
    assertions();
  } catch (error) {
    if (advisory !== true) throw error;
    console.warn(`not as advised: ${name}: ${error instanceof Error ? error.message.split('\n')[0] : ''}`);
  }
}
