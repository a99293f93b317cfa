import { describe, expect, test } from 'vitest';
import { walkXml } from '../../../src/feed/xml/walk-xml.js';

/** What a visitor sees, in words. */
function seen(xml: string): readonly string[] {
  const events: string[] = [];
  walkXml(xml, {
    open: ({ name, attributes, depth }) => events.push(`${depth} <${[name, ...[...attributes].flat()].join(' ')}>`),
    close: ({ name }, nameAt) => events.push(nameAt ? `</${xml.slice(nameAt.start, nameAt.end)}>` : `/${name}`),
    text: (text) => events.push(text),
    instruction: ({ start, end }) => events.push(xml.slice(start, end)),
  });
  return events;
}

test('the root is walked through in its order, and no further', () => {
  const xml = `<a b = "1&amp;&x;>" c='"'>t&#65;<!-- no --><x:b/><![CDATA[<&amp;]]]]><?p "?></a\n><b>`;
  expect(seen(xml)).toEqual(['1 <a b 1&&x;> c ">', 't', 'A', '2 <x:b>', '/x:b', '<&amp;]]', '<?p "?>', '</a>']);
  expect(walkXml(xml, {})).toBe(xml.indexOf('<b>', 20));
});

describe('what two readers could take for different things is refused', () => {
  test.each([
    ['an end of another element', '<a><b></a></b>', /<\/a> ends <b>/],
    ['an end of nothing', '</a>', /ends nothing/],
    ['no end', '<a><b>', /<b> does not end/],
    ['a tag that does not end', '<a b="', /<a> does not end/],
    ['a comment that does not end', '<a><!-- </a>', /comment does not end/],
    ['a comment with the end of HTML', '<a><!-- --!></a>', /comment does not end/],
    ['a comment that begins with its end', '<a><!--->--></a>', /begins with its end/],
    ['a section that does not end', '<a><![CDATA[ </a>', /section does not end/],
    ['an instruction that does not end', '<a><?b </a>', /begins nothing/],
    ['an instruction that ends as in HTML', '<a><?b > </a>', /begins nothing/],
    ['a declaration', '<a><!ENTITY b "c"></a>', /declaration/],
    ['an attribute without quotes', '<a b=c></a>', /lacks quotes/],
    ['an attribute without a value', '<a b></a>', /lacks quotes/],
    ['a quote in a name', '<a "b="c"></a>', /no name may/],
    ['a quote in the name of an element', '<a"></a">', /no name may/],
    ['a < in text', '<a>1 < 2</a>', /begins nothing/],
    ['more than a name at the end', '<a></a b="c">', /more than its name/],
    ['a / that ends nothing', '<a / >', /ends nothing/],
  ])('%s', (_what, xml, message) => {
    expect(() => walkXml(xml, {})).toThrow(SyntaxError);
    expect(() => walkXml(xml, {})).toThrow(message);
  });
});
