import { Parser } from 'htmlparser2';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createDocumentLinkReader } from '../../../src/protocol/links/document-links.js';

const url = 'https://example.com/feed';
const hub = 'https://hub.example/%C3%BC';
const rss =
  '<rss xmlns:a="http://www.w3.org/2005/Atom"><channel><title>Grüße</title>' +
  '<a:link rel="hub" href="https://hub.example/ü"/></channel></rss>';

function read(bytes: Uint8Array, contentType: string | null = null, chunkSize = bytes.length) {
  const reader = createDocumentLinkReader({ url, contentType });
  let chunkCount = 0;
  for (let at = 0; at < bytes.length; at += chunkSize) {
    chunkCount += 1;
    if (reader.write(bytes.subarray(at, at + chunkSize))) break;
  }
  return { ...reader.end(), chunkCount };
}

describe('the links of a document', () => {
  test.each([1, 2, 3, 1000])('are found with chunks of %d bytes that split characters', (size) => {
    expect(read(Buffer.from(rss), 'text/xml', size)).toMatchObject({ format: 'xml', hubs: [hub] });
    expect(read(Buffer.from(`\uFEFF${rss}`, 'utf16le'), 'text/xml', size)).toMatchObject({ hubs: [hub] });
  });

  test('are found in a legacy encoding named by the Content-Type or the document', () => {
    const latin1 = Buffer.from(rss, 'latin1');
    expect(read(latin1, 'text/xml; charset=iso-8859-1').hubs).toEqual([hub]);
    const latin1WithDeclaration = Buffer.from(`<?xml version="1.0" encoding="iso-8859-1"?>${rss}`, 'latin1');
    expect(read(latin1WithDeclaration, 'text/xml').hubs).toEqual([hub]);
  });

  test.each([
    ['html', '<link rel=hub href=https://hub.example/ü>', 'text/html'],
    ['json-feed', '{"hubs":[{"type":"WebSub","url":"https://hub.example/ü"}]}', 'text/plain'],
  ])('are found in %s', (format, text, contentType) => {
    expect(read(Buffer.from(text), contentType)).toMatchObject({ format, hubs: [hub] });
  });

  test('are none if the content is not a document, and only its first chunk is read', () => {
    const image = Buffer.alloc(1_000_000, 0x89);
    expect(read(image, 'image/png', 10_000)).toEqual({ format: 'unknown', hubs: [], selfs: [], chunkCount: 1 });
  });

  test('are not read any more once the reader has finished', () => {
    const reader = createDocumentLinkReader({ url });
    const page = Buffer.from(`<link rel=hub href=a><p>${' '.repeat(2000)}`);
    expect(reader.write(page)).toBe(true);
    expect(reader.write(Buffer.from('<link rel=hub href=b>'))).toBe(true);
    expect(reader.end().hubs).toEqual(['https://example.com/a']);
  });

  test('are none if the document is empty', () => {
    expect(read(new Uint8Array(), 'image/png')).toMatchObject({ format: 'unknown', hubs: [] });
    expect(createDocumentLinkReader({ url }).end()).toEqual({ format: 'html', hubs: [], selfs: [] });
  });

  test('are found in XHTML, which closes elements like XML', () => {
    const page = Buffer.from('<html><head><title/><link rel="hub" href="a"/></head></html>');
    expect(read(page, 'application/xhtml+xml').hubs).toEqual(['https://example.com/a']);
    expect(read(page, 'text/html').hubs).toEqual([]);
  });
});

test('D3 of a 64 KiB socket chunk, at most twice the length of the head is decoded', () => {
  const writeSpy = vi.spyOn(Parser.prototype, 'write');
  onTestFinished(() => writeSpy.mockRestore());
  const head = `<html><head><style>${' '.repeat(10_000)}</style><link rel=hub href=/hub><link rel=self href=/self></head><body>`;
  const reader = createDocumentLinkReader({ url: 'https://example.com/', contentType: 'text/html' });
  expect(reader.write(Buffer.from(head.padEnd(65_536, '<p>Hello')))).toBe(true);
  expect(reader.end()).toMatchObject({ hubs: ['https://example.com/hub'] });
  const characters = writeSpy.mock.calls.reduce((sum, [text]) => sum + text.length, 0);
  expect(characters).toBeGreaterThan(head.length - 1);
  expect(characters).toBeLessThan(2 * head.length);
});
