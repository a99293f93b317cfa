import { expect, test } from 'vitest';
import { parseMediaType } from '../../../src/protocol/encoding/media-type.js';

test.each([
  ['text/html', 'text/html', ''],
  [' Text/HTML ; Charset = "ISO-8859-1" ', 'text/html', 'iso-8859-1'],
  ["text/html; x=y; charset='utf-8'; charset=latin1", 'text/html', 'utf-8'],
  ['application/atom+xml;charset=', 'application/atom+xml', ''],
  ['text/xml; xcharset=utf-16', 'text/xml', ''],
  ['', '', ''],
  [null, '', ''],
  [undefined, '', ''],
])('the Content-Type %j has type %j and charset %j', (header, type, charset) => {
  expect(parseMediaType(header)).toEqual({ type, charset });
});
