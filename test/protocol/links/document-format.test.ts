import { describe, expect, test } from 'vitest';
import { formatOfType, sniffFormat } from '../../../src/protocol/links/document-format.js';

const sniff = (text: string, type = '') => sniffFormat(text, { type, charset: '' });

describe('D4 the format of a document', () => {
  test.each([
    ['<!doctype html><title>', 'application/rss+xml', 'html'],
    ['<!DOCTYPE html PUBLIC "x">', 'text/xml', 'html'],
    ['<?xml version="1.0"?>\n<html xmlns="x">', 'application/xml', 'html'],
    ['<!-- a --> <!-- <rss> -->\n<HTML>', '', 'html'],
    ['<p>Hello</p>', 'text/html', 'html'],
    ['<p>Hello</p>', 'text/plain', 'html'],
    ['<rss version="2.0">', 'text/html', 'xml'],
    ['<?xml version="1.0"?><?xml-stylesheet href="x"?><a:feed xmlns:a="x">', 'text/html', 'xml'],
    ['<rdf:RDF ', 'application/octet-stream', 'xml'],
    ['<!DOCTYPE rss [<!ENTITY x "y">]><rss>', 'text/html', 'xml'],
    ['<?xml version="1.0"?><opml>', 'text/html', 'xml'],
    ['<opml>', 'text/x-opml+xml', 'xml'],
    ['{"version": 1}', 'text/html', 'json-feed'],
    [' {} ', '', 'json-feed'],
    ['[1]', 'application/feed+json', 'json-feed'],
    ['Hello <b>', 'text/html', 'html'],
    ['Hello', '', 'html'],
    ['Hello', 'text/plain', 'unknown'],
    ['Hello', 'application/atom+xml', 'xml'],
    ['\u0089PNG', 'image/png', 'unknown'],
  ])('of %j with type %j is %s', (text, type, format) => {
    expect(sniff(text, type)).toBe(format);
  });

  test.each(['', ' \n', '<', '<!doc', '<!-- <rss>', '<?xml version="1.0"', '<rs', '<a:', '{', '{ \n'])(
    'is undecided after %j',
    (text) => {
      expect(sniff(text, 'application/xml')).toBeUndefined();
    },
  );

  test('follows the type when the document does not begin within 16 KiB', () => {
    expect(sniff(`<!--${'x'.repeat(20_000)}`, 'text/html')).toBe('html');
    expect(sniff(' '.repeat(40_000), 'text/plain')).toBe('unknown');
  });

  test.each([
    ['text/html', 'html'],
    ['application/xhtml+xml', 'html'],
    ['', 'html'],
    ['text/xml', 'xml'],
    ['application/rss+xml', 'xml'],
    ['application/json', 'json-feed'],
    ['application/feed+json', 'json-feed'],
    ['text/plain', 'unknown'],
    ['application/xml-dtd', 'unknown'],
  ])('declared by the type %j is %s', (type, format) => {
    expect(formatOfType({ type, charset: '' })).toBe(format);
  });
});
