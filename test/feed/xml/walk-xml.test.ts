import { describe, expect, test } from 'vitest';
import { walkXml } from '../../../src/feed/xml/walk-xml.js';

/** The calls of a visitor, as text. */
function visitedParts(xml: string): readonly string[] {
  const parts: string[] = [];
  walkXml(xml, {
    open: ({ name, attributes, depth }) => parts.push(`${depth} <${[name, ...[...attributes].flat()].join(' ')}>`),
    close: ({ name }, nameAt) => parts.push(nameAt ? `</${xml.slice(nameAt.start, nameAt.end)}>` : `/${name}`),
    text: (text) => parts.push(text),
    instruction: ({ start, end }) => parts.push(xml.slice(start, end)),
  });
  return parts;
}

test('the root is visited in document order, and nothing after it', () => {
  const xml = `<a b = "1&amp;&x;>" c='"'>t&#65;<!-- no --><x:b/><![CDATA[<&amp;]]]]><?p "?></a\n><b>`;
  expect(visitedParts(xml)).toEqual(['1 <a b 1&&x;> c ">', 't', 'A', '2 <x:b>', '/x:b', '<&amp;]]', '<?p "?>', '</a>']);
  expect(walkXml(xml, {})).toBe(xml.indexOf('<b>', 20));
});

describe('XML that two readers could read differently is refused', () => {
  test.each([
    ['an end tag of another element', '<a><b></a></b>', /<\/a> closes <b>/],
    ['an end tag without an element', '</a>', /<\/a> closes no element/],
    ['no end tag', '<a><b>', /<b> is not closed/],
    ['a tag that does not end', '<a b="', /<a> is not closed/],
    ['a comment that does not end', '<a><!-- </a>', /comment is not closed/],
    ['a comment that ends like in HTML', '<a><!-- --!></a>', /comment is not closed/],
    ['a comment that begins with its end', '<a><!--->--></a>', /comment starts with >/],
    ['a section that does not end', '<a><![CDATA[ </a>', /section is not closed/],
    ['an instruction that does not end', '<a><?b </a>', /a < does not start a tag/],
    ['an instruction that ends like in HTML', '<a><?b > </a>', /a < does not start a tag/],
    ['a declaration', '<a><!ENTITY b "c"></a>', /declaration/],
    ['an attribute without quotes', '<a b=c></a>', /value has no quotes/],
    ['an attribute without a value', '<a b></a>', /value has no quotes/],
    ['a quote in a name', '<a "b="c"></a>', /name contains a forbidden character/],
    ["a quote in an element's name", '<a"></a">', /name contains a forbidden character/],
    ['a < in text', '<a>1 < 2</a>', /a < does not start a tag/],
    ['more than a name at the end', '<a></a b="c">', /more than its name/],
    ['a / that ends nothing', '<a / >', /a \/ is not followed by >/],
  ])('%s', (_name, xml, message) => {
    expect(() => walkXml(xml, {})).toThrow(SyntaxError);
    expect(() => walkXml(xml, {})).toThrow(message);
  });
});
