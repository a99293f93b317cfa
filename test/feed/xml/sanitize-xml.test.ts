import { describe, expect, test } from 'vitest';
import { sanitizeXml } from '../../../src/feed/xml/sanitize-xml.js';

describe('content that could exhaust feedsmith is hidden', () => {
  test.each([
    [
      'an element that feedsmith would read as a list length',
      '<a><length>9</length><x:LENGTH/></a>',
      '<a><unread-length>9</unread-length><unread-x:LENGTH/></a>',
    ],
    ['instructions', '<a><?b "?>c<?d?></a>', '<a>c</a>'],
    ['content after the root', '<a/><b/>', '<a/>'],
  ])('%s', (_name, xml, safe) => {
    expect(sanitizeXml(xml, 'atom')).toBe(safe);
  });

  test('the table of contents is hidden in RDF only', () => {
    const xml = '<a><items><li/></items></a>';
    expect([sanitizeXml(xml, 'rdf'), sanitizeXml(xml, 'rss')]).toEqual([
      '<a><unread-items><li/></unread-items></a>',
      xml,
    ]);
  });

  test('overlong authors are hidden in RSS', () => {
    const authorOf = (length: number, prefix = '') => `<a><${prefix}author>${'('.repeat(length)}</${prefix}author></a>`;
    expect(sanitizeXml(authorOf(1_000), 'rss')).toBe(authorOf(1_000, 'unread-'));
    expect([sanitizeXml(authorOf(100), 'rss'), sanitizeXml(authorOf(1_000), 'atom')]).toEqual([
      authorOf(100),
      authorOf(1_000),
    ]);
  });
});

test('harmless content stays unchanged', () => {
  const xml = `<feed a='b' length="1"><!-- <length> --><title>x &amp; &x;</title><![CDATA[<length>]]></feed>`;
  expect(sanitizeXml(xml, 'atom')).toBe(xml);
});
