import { expect, test } from 'vitest';
import { collapseWhitespace, htmlToText } from '../../src/feed/plain-text.js';

test.each([
  ['text with white space', 'a  b\n\u00a0c ', 'a b c'],
  ['markup within a word', 'un<b>believ</b>able', 'unbelievable'],
  ['markup between words', '<p>a</p><p>b</p>c<br/>d<img alt="x">e', 'a b c d e'],
  ['character references', 'R&amp;D &lt;b&gt; &#x41;&nbsp;&copy; &unknown; &', 'R&D <b> A © &unknown; &'],
  ['attributes with markup in them', '<a title="<b>x</b>">y</a>', 'y'],
  ['comments, scripts and styles', 'a<!-- b --><script>c<d></script><style>e</style>f', 'a f'],
  ['a title in a title', '<title>a &amp; <b>b</title>', 'a & <b>b'],
  ['text that only looks like markup', '1 < 2 <3 > 2', '1 < 2 <3 > 2'],
  ['a tag that does not end', 'a <b', 'a'],
  ['markup without text', '<p> &nbsp;</p>', undefined],
  ['an empty text', '', undefined],
])('htmlToText reads %s', (_name, html, text) => {
  expect(htmlToText(html)).toBe(text);
});

test('an absent text stays absent', () => {
  expect([htmlToText(undefined), collapseWhitespace(undefined), collapseWhitespace(' ')]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});
