import { cronProblem } from '../../src/engine/cron-expression.js';
import { readDate } from '../../src/feed/entry/entry-date.js';
import { documentBase } from '../../src/feed/entry/entry-url.js';
import { entryVersions } from '../../src/feed/entry/entry-version.js';
import { collapseWhitespace, htmlToText } from '../../src/feed/plain-text.js';
import { readProlog } from '../../src/feed/xml/prolog.js';
import { readEntries, readFeed } from '../../src/feed/read-feed.js';
import { readDeletedEntries } from '../../src/feed/xml/deleted-entries.js';
import { secretRedactor } from '../../src/hub/redaction/hub-text.js';
import { decodeText } from '../../src/protocol/encoding/charset.js';
import { contentCodings, decodeContent } from '../../src/protocol/encoding/content-encoding.js';
import { createDocumentLinkReader } from '../../src/protocol/links/document-links.js';
import { matchesDeniedTopic, parseHubQuery } from '../../src/protocol/hub-query.js';
import { createMemberReader } from '../../src/protocol/links/json-members.js';
import { linksFromHeaders } from '../../src/protocol/links/link-header.js';
import { parseMediaType } from '../../src/protocol/encoding/media-type.js';
import { parseRetryAfter } from '../../src/protocol/retry-after.js';
import { parseSignature, verifySignature } from '../../src/protocol/signature.js';
import type { TopicLinks } from '../../src/protocol/links/topic-links.js';
import { must, type FuzzTarget, type RunInput } from './fuzz-target.js';

const BASE = 'https://topic.example/feed';
const SECRETS = ['a secret', 'a longer secret of several words', 'p%61ss"word&'];
const TYPES = ['text/html', 'application/atom+xml', 'application/feed+json', 'application/xhtml+xml', ''];

const LONGEST_TEXT = 16 * 1024;

const isDocumentedError = (error: unknown): boolean => error instanceof SyntaxError || error instanceof RangeError;

/** Opens a target that parses text. */
const ofText =
  (check: (text: string) => void): FuzzTarget['open'] =>
  () =>
  (input) =>
    check(input.toString());

function mustBeHttp({ hubs, selfs }: TopicLinks): void {
  for (const url of [...hubs, ...selfs]) must(/^https?:/i.test(url) && URL.canParse(url), `${url} is no http URL`);
}

/** Reads the links of a document in chunks: chunk sizes must not matter. */
function linksOf(input: Buffer, contentType: string, chunkBytes: number): TopicLinks {
  const reader = createDocumentLinkReader({ url: BASE, contentType });
  let isDone = false;
  for (let offset = 0; offset < input.length && !isDone; offset += chunkBytes)
    isDone = reader.write(input.subarray(offset, offset + chunkBytes));
  return reader.end();
}

const checkDocument: RunInput = (input) => {
  const contentType = TYPES[input.length % TYPES.length] ?? '';
  const wholeLinks = linksOf(input, contentType, input.length || 1);
  mustBeHttp(wholeLinks);
  const chunkedLinks = linksOf(input, contentType, 1 + (input[0] ?? 0) * 4);
  must(JSON.stringify(wholeLinks) === JSON.stringify(chunkedLinks), 'links do not depend on how the document is cut');
};

const checkFeed = (text: string): void => {
  const { entries } = readFeed(text, BASE);
  for (const { id } of entries) must(typeof id === 'string' && id !== '', 'an entry has an id');
  must(entryVersions(entries, 'a subscription').length === entries.length, 'each entry has a version');
};

/** Returns the reader's output for a text in chunks. */
function membersOf(text: string, chunkLength: number): readonly string[] {
  const output: string[] = [];
  const read = createMemberReader({
    member: (name) => {
      output.push(name);
      return 'keep';
    },
    value: (value, isElement) => output.push(`${isElement} ${value}`),
  });
  for (let offset = 0; offset < text.length; offset += chunkLength) read(text.slice(offset, offset + chunkLength));
  return output;
}

const checkMember = (text: string): void => {
  const wholeMembers = membersOf(text, Math.max(1, text.length));
  must(wholeMembers.join('\n') === membersOf(text, 7).join('\n'), 'members are the same however the text is cut');
};

const checkEncoded: RunInput = async (input) => {
  for (const coding of ['gzip', 'deflate', 'br', 'br, gzip']) {
    const decoded = await decodeContent(input, contentCodings(coding), 1_000_000);
    must('problem' in decoded || decoded.bytes.length <= 1_000_000, 'no more is decoded than is allowed');
  }
};

/** Parsers of data from hubs and publishers, the fast ones first. */
export const PARSERS: readonly FuzzTarget[] = [
  {
    name: 'media type',
    seeds: 'headers',
    open: ofText((text) => {
      const { type } = parseMediaType(text);
      must(type === type.toLowerCase(), 'a media type is lower-case');
    }),
  },
  {
    name: 'retry-after',
    seeds: 'headers',
    open: ofText((text) => must((parseRetryAfter(text, 0) ?? 0) >= 0, 'a wait is not negative')),
  },
  {
    name: 'signature',
    seeds: 'headers',
    open: ofText((text) => {
      parseSignature(text);
      must(!verifySignature('a body', text, 'a secret'), 'no signature is right by chance');
    }),
  },
  {
    name: 'date',
    seeds: 'dates',
    open: ofText((text) => must(!Number.isNaN(readDate(text)?.getTime() ?? 0), 'a date is valid, or undefined')),
  },
  { name: 'prolog', seeds: 'documents', open: ofText((text) => void readProlog(text)), refuses: isDocumentedError },
  {
    name: 'hub query',
    seeds: 'queries',
    open: ofText((text) => {
      const query = parseHubQuery(text);
      matchesDeniedTopic(BASE, query?.topic ?? '', text);
    }),
  },
  { name: 'link header', seeds: 'link headers', open: ofText((text) => mustBeHttp(linksFromHeaders([text], BASE))) },
  {
    name: 'plain text',
    seeds: 'texts',
    open: ofText((text) => {
      htmlToText(text);
      collapseWhitespace(text);
    }),
  },
  {
    name: 'charset',
    seeds: 'documents',
    open: () => (input) => {
      decodeText(input, undefined);
      decodeText(input, `text/xml; charset=${input.subarray(0, 20).toString()}`);
    },
  },
  { name: 'json member', seeds: 'feeds', open: ofText(checkMember) },
  {
    name: 'tombstones',
    seeds: 'feeds',
    open: ofText((text) => void readDeletedEntries(text, documentBase(BASE))),
    refuses: isDocumentedError,
  },
  {
    name: 'cron expression',
    seeds: 'cron expressions',
    open: ofText((text) => void cronProblem(text)),
    // The expression comes from the configuration, and the search for the next 29 February goes day by day.
    limitMs: 1_000,
  },
  {
    name: 'redaction',
    seeds: 'texts',
    open: () => {
      const redact = secretRedactor(SECRETS);
      return (input) => {
        // Redacted texts are cut to a few KiB before redaction.
        const text = input.toString('utf8', 0, LONGEST_TEXT);
        for (const secret of SECRETS) must(!redact(`${text}${secret}`).includes(secret), 'no secret is left');
      };
    },
  },
  { name: 'content encoding', seeds: 'encoded', open: () => checkEncoded },
  { name: 'document links', seeds: 'documents', open: () => checkDocument },
  {
    name: 'entries',
    seeds: 'documents',
    open: ofText((text) => void readEntries(text, BASE)),
    refuses: isDocumentedError,
  },
  { name: 'feed', seeds: 'feeds', open: ofText(checkFeed), refuses: isDocumentedError },
];
