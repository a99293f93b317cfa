import { describe, expect, test } from 'vitest';
import { detectEncoding } from '../../../src/protocol/encoding/charset.js';

const xml = (encoding: string) => `\n<?xml version="1.0" encoding="${encoding}"?><rss/>`;

describe('the encoding of a document is decided by', () => {
  test.each([
    ['a UTF-8 byte order mark before anything else', '\xef\xbb\xbf<?xml encoding="latin1"?>', 'koi8-r', 'utf-8'],
    ['a UTF-16 byte order mark', '\xff\xfe<\0', 'utf-8', 'utf-16le'],
    ['a big-endian UTF-16 byte order mark', '\xfe\xff\0<', '', 'utf-16be'],
    ['the zero bytes of UTF-16', '<\0?\0', 'utf-8', 'utf-16le'],
    ['the zero bytes of big-endian UTF-16', '\0<\0?', '', 'utf-16be'],
    ['the header before the declaration', xml('koi8-r'), 'iso-8859-1', 'windows-1252'],
    ['the XML declaration', xml('windows-1251'), '', 'windows-1251'],
    ['the XML declaration when the header is invalid', xml('windows-1251'), 'nonsense', 'windows-1251'],
    ['the default when the XML declaration is impossible', xml('UTF-16'), '', 'utf-8'],
    ['the default when the header is impossible', '<rss/>', 'utf-16', 'utf-8'],
    ['the header when UTF-16 shows no zero bytes', 'B0D0', 'utf-16be', 'utf-16be'],
    ['HTML meta', '<head><meta charset=shift_jis>', '', 'shift_jis'],
    ['HTML http-equiv', '<meta http-equiv="Content-Type" content="text/html; charset=gb2312">', '', 'gbk'],
    ['the default without a declaration', '<rss/>', '', 'utf-8'],
    ['the default for an empty document', '', '', 'utf-8'],
    ['the default when the declaration is too late', ' '.repeat(1024) + xml('latin1'), '', 'utf-8'],
  ])('%s', (_name, bytes, charset, encoding) => {
    expect(detectEncoding(Buffer.from(bytes, 'latin1'), charset)).toBe(encoding);
  });
});
