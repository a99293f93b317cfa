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
    ['an end tag of another element', '<a><b></a></b>', /<\/a> ends <b>/],
    ['an end tag without an element', '</a>', /ends nothing/],
    ['no end tag', '<a><b>', /<b> does not end/],
    ['a tag that does not end', '<a b="', /<a> does not end/],
    ['a comment that does not end', '<a><!-- </a>', /comment does not end/],
    ['a comment that ends like in HTML', '<a><!-- --!></a>', /comment does not end/],
    ['a comment that begins with its end', '<a><!--->--></a>', /begins with its end/],
    ['a section that does not end', '<a><![CDATA[ </a>', /section does not end/],
    ['an instruction that does not end', '<a><?b </a>', /begins nothing/],
    ['an instruction that ends like in HTML', '<a><?b > </a>', /begins nothing/],
    ['a declaration', '<a><!ENTITY b "c"></a>', /declaration/],
    ['an attribute without quotes', '<a b=c></a>', /lacks quotes/],
    ['an attribute without a value', '<a b></a>', /lacks quotes/],
    ['a quote in a name', '<a "b="c"></a>', /no name may/],
    ["a quote in an element's name", '<a"></a">', /no name may/],
    ['a < in text', '<a>1 < 2</a>', /begins nothing/],
    ['more than a name at the end', '<a></a b="c">', /more than its name/],
    ['a / that ends nothing', '<a / >', /ends nothing/],
  ])('%s', (_name, xml, message) => {
    expect(() => walkXml(xml, {})).toThrow(SyntaxError);
    expect(() => walkXml(xml, {})).toThrow(message);
  });
});
