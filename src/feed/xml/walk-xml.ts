import { onDemand } from '../../on-demand.js';
import { MAX_DEPTH } from '../../protocol/links/link-reader.js';
import { excerpt, MAX_ELEMENTS } from '../feed-limits.js';

/** More attributes than an element of any feed has; what reads them next makes several objects of each. */
const MAX_ATTRIBUTES = 1_000;

/** Where something lies in the text: from `start` up to, not with, `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface XmlElement {
  /** As written, with its prefix. */
  readonly name: string;
  readonly nameAt: Span;
  /** By name as written. */
  readonly attributes: ReadonlyMap<string, string>;
  /** How many elements it lies in, itself counted: 1 is the root. */
  readonly depth: number;
}

/** Takes what is in an XML document, in its order. */
export interface XmlVisitor {
  open?(element: XmlElement): void;
  /** @param nameAt of the end tag; undefined for an element that is empty by `/>` */
  close?(element: XmlElement, nameAt: Span | undefined): void;
  /** Text, with the references that XML knows undone, or what is in a CDATA section; a text may come in pieces. */
  text?(text: string): void;
  instruction?(at: Span): void;
}

/** No such character is part of a name. */
const NON_NAME_CHARACTER = /[\s"'<>=&`/]/;

/**
 * Walks through the root element of an XML document. References may be undeclared, names and characters are not
 * checked; how tags, comments and sections begin and end is, so that any two readers agree on it.
 *
 * @param xml from where the root begins
 * @returns where the root ends
 * @throws SyntaxError where the root is not well-formed in that sense
 * @throws RangeError where it has more elements (instructions count as such), an element more attributes, or elements lie
 *   deeper than any feed needs
 */
export function walkXml(xml: string, visitor: XmlVisitor): number {
  const stack: XmlElement[] = [];
  let rootEnd: number | undefined;
  let name: Span = { start: 0, end: 0 };
  let attributes = new Map<string, string>();
  let attributeName = '';
  let attributeValue = '';
  let elements = 0;
  /** Attributes of the element so far, also where one name is written twice. */
  let attributeCount = 0;

  const brokenXmlError = (what: string, at: number): SyntaxError =>
    new SyntaxError(`Broken XML, ${at} characters into the root: ${what}`);

  function nameOf({ start, end }: Span): string {
    const text = xml.slice(start, end);
    if (NON_NAME_CHARACTER.test(text)) throw brokenXmlError('a name holds what no name may', start);
    return text;
  }

  function countElement(): void {
    elements += 1;
    if (elements > MAX_ELEMENTS) throw new RangeError(`The XML has more than ${MAX_ELEMENTS} elements`);
  }

  function openElement(): XmlElement {
    const element = { name: nameOf(name), nameAt: name, attributes, depth: stack.length + 1 };
    if (element.depth > MAX_DEPTH) throw new RangeError(`The XML is nested more than ${MAX_DEPTH} deep`);
    countElement();
    visitor.open?.(element);
    return element;
  }

  function closeElement(element: XmlElement, nameAt: Span | undefined, end: number): void {
    visitor.close?.(element, nameAt);
    if (element.depth > 1) return;
    rootEnd = end;
    tokenizer.pause();
  }

  const { QuoteType, Tokenizer } = onDemand('htmlparser2');
  const tokenizer = new Tokenizer(
    { xmlMode: true, decodeEntities: true },
    {
      onopentagname(start, end) {
        name = { start, end };
        attributes = new Map();
        attributeCount = 0;
      },
      onattribname(start, end) {
        attributeName = nameOf({ start, end });
        attributeValue = '';
      },
      onattribdata(start, end) {
        attributeValue += xml.slice(start, end);
      },
      onattribentity(codepoint) {
        attributeValue += String.fromCodePoint(codepoint);
      },
      onattribend(quote, end) {
        if (quote !== QuoteType.Double && quote !== QuoteType.Single)
          throw brokenXmlError('an attribute lacks quotes', end);
        if (!attributes.has(attributeName)) attributes.set(attributeName, attributeValue);
        attributeCount += 1;
        if (attributeCount > MAX_ATTRIBUTES) {
          throw new RangeError(`An element of the XML has more than ${MAX_ATTRIBUTES} attributes`);
        }
      },
      onopentagend() {
        stack.push(openElement());
      },
      onselfclosingtag(end) {
        if (!xml.endsWith('/', end)) throw brokenXmlError('there is a / that ends nothing', end);
        closeElement(openElement(), undefined, end + 1);
      },
      onclosetag(start, end) {
        const element = stack.pop();
        const closed = nameOf({ start, end });
        if (element?.name !== closed) {
          const other = element === undefined ? 'nothing' : `<${excerpt(element.name)}>`;
          throw brokenXmlError(`</${excerpt(closed)}> ends ${other}`, start);
        }
        const tagEnd = xml.indexOf('>', end);
        if (xml.slice(end, tagEnd).trim() !== '')
          throw brokenXmlError(`</${excerpt(closed)}> holds more than its name`, end);
        closeElement(element, { start, end }, tagEnd + 1);
      },
      ontext(start, end) {
        const text = xml.slice(start, end);
        if (text.includes('<')) throw brokenXmlError('there is a < that begins nothing', start);
        visitor.text?.(text);
      },
      ontextentity(codepoint) {
        visitor.text?.(String.fromCodePoint(codepoint));
      },
      oncdata(start, end, offset) {
        if (offset !== 2 || !xml.startsWith(']]>', end - 2))
          throw brokenXmlError('a CDATA section does not end', start);
        visitor.text?.(xml.slice(start, end - 2));
      },
      oncomment(start, end, offset) {
        if (offset !== 2 || !xml.startsWith('-->', end - 2)) throw brokenXmlError('a comment does not end', start);
        // Some take <!--> and <!---> for whole comments.
        if (/^-?>/.test(xml.slice(start, start + 2))) throw brokenXmlError('a comment begins with its end', start);
      },
      onprocessinginstruction(start, end) {
        countElement();
        visitor.instruction?.({ start: start - 2, end: end + 2 });
      },
      ondeclaration(start) {
        throw brokenXmlError('there is a declaration within the root', start);
      },
      onend() {},
    },
  );
  tokenizer.write(xml);
  tokenizer.end();
  if (rootEnd === undefined)
    throw new SyntaxError(`Broken XML: <${excerpt(stack.at(-1)?.name ?? nameOf(name))}> does not end`);
  return rootEnd;
}
