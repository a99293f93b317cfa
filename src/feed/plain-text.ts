import { onDemand } from '../on-demand.js';

/** Inline elements: they do not separate words. */
const INLINE =
  /^(?:a|abbr|acronym|b|bdi|bdo|big|cite|code|data|del|dfn|em|font|i|ins|kbd|mark|q|s|samp|small|span|strike|strong|sub|sup|time|tt|u|var|wbr)$/i;

/** Elements whose content is not text. */
const NO_TEXT = /^(?:script|style)$/i;

/** Puts a text on one line; undefined when it is empty. */
export function collapseWhitespace(text: string | undefined): string | undefined {
  const line = text?.replace(/\s+/g, ' ').trim();
  return line === '' ? undefined : line;
}

/** Returns the text of HTML on one line; undefined when there is none. */
export function htmlToText(html: string | undefined): string | undefined {
  if (html === undefined || !/[<&]/.test(html)) return collapseWhitespace(html);
  const parts: string[] = [];
  let isText = true;

  function startTag(name: string): void {
    if (!INLINE.test(name)) parts.push(' ');
    isText = !NO_TEXT.test(name);
  }

  // The tokenizer does not track open elements, so its cost does not grow with their number.
  const { Tokenizer } = onDemand('htmlparser2');
  const tokenizer = new Tokenizer(
    { decodeEntities: true },
    {
      ontext: (start, end) => void (isText && parts.push(html.slice(start, end))),
      ontextentity: (codepoint) => void parts.push(String.fromCodePoint(codepoint)),
      onopentagname: (start, end) => startTag(html.slice(start, end)),
      onclosetag(start, end) {
        if (!INLINE.test(html.slice(start, end))) parts.push(' ');
        isText = true;
      },
      oncdata() {},
      onattribdata() {},
      onattribentity() {},
      onattribend() {},
      onattribname() {},
      oncomment() {},
      ondeclaration() {},
      onopentagend() {},
      onprocessinginstruction() {},
      onselfclosingtag() {},
      onend() {},
    },
  );
  tokenizer.write(html);
  tokenizer.end();
  return collapseWhitespace(parts.join(''));
}
