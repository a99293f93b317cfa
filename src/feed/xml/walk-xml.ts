import { onDemand } from '../../on-demand.js';
import { MAX_DEPTH, MAX_ELEMENTS } from '../../protocol/links/link-reader.js';
import { excerpt, malformedXmlError, tooDeepError, tooManyError } from '../feed-error.js';

/** Maximum attributes per element; no feed needs more. Later parsers allocate several objects for each attribute. */
const MAX_ATTRIBUTES = 1_000;

/** A range of the text: from `start` up to but not including `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface XmlElement {
  /** As written, with its prefix. */
  readonly name: string;
  readonly nameAt: Span;
  /** Attributes by name, as written. */
  readonly attributes: ReadonlyMap<string, string>;
  /** Nesting depth: 1 is the root. */
  readonly depth: number;
}

/** Receives the parts of an XML document, in order. */
export interface XmlVisitor {
  open?(element: XmlElement): void;
  /** @param nameAt the name in the end tag; undefined for an element closed by `/>` */
  close?(element: XmlElement, nameAt: Span | undefined): void;
  /** Receives text with XML's predefined references decoded, or the text of a CDATA section. May come in parts. */
  text?(text: string): void;
  instruction?(at: Span): void;
}

/** A character that no name may contain. */
const NON_NAME_CHARACTER = /[\s"'<>=&`/]/;

/**
 * Walks through the root element of an XML document. Checks how tags, comments and sections begin and end, so that any
 * two readers agree on them. Does not check names and characters. References may be undeclared.
 *
 * @param xml the text from the start of the root
 * @returns the index after the root
 * @throws SyntaxError when the root is not well-formed in that sense
 * @throws RangeError when it has too many elements (instructions count as elements), too many attributes on one
 *   element, or is nested too deep
 */
export function walkXml(xml: string, visitor: XmlVisitor): number {
  const stack: XmlElement[] = [];
  let rootEnd: number | undefined;
  let name: Span = { start: 0, end: 0 };
  let attributes = new Map<string, string>();
  let attributeName = '';
  let attributeValue = '';
  let elements = 0;
  /** Attributes of the element so far, including repeated names. */
  let attributeCount = 0;

  const malformedAt = (problem: string, at: number): SyntaxError =>
    malformedXmlError(`${problem} (character ${at} of the root element)`);

  function nameOf({ start, end }: Span): string {
    const text = xml.slice(start, end);
    if (NON_NAME_CHARACTER.test(text)) throw malformedAt('a name contains a forbidden character', start);
    return text;
  }

  function countElement(): void {
    elements += 1;
    if (elements > MAX_ELEMENTS) throw tooManyError('The XML', MAX_ELEMENTS, 'elements');
  }

  function openElement(): XmlElement {
    const element = { name: nameOf(name), nameAt: name, attributes, depth: stack.length + 1 };
    if (element.depth > MAX_DEPTH) throw tooDeepError('The XML');
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
          throw malformedAt('an attribute value has no quotes', end);
        if (!attributes.has(attributeName)) attributes.set(attributeName, attributeValue);
        attributeCount += 1;
        if (attributeCount > MAX_ATTRIBUTES) throw tooManyError('An element of the XML', MAX_ATTRIBUTES, 'attributes');
      },
      onopentagend() {
        stack.push(openElement());
      },
      onselfclosingtag(end) {
        if (!xml.endsWith('/', end)) throw malformedAt('a / is not followed by >', end);
        closeElement(openElement(), undefined, end + 1);
      },
      onclosetag(start, end) {
        const element = stack.pop();
        const closedName = nameOf({ start, end });
        if (element?.name !== closedName) {
          const openName = element === undefined ? 'no element' : `<${excerpt(element.name)}>`;
          throw malformedAt(`</${excerpt(closedName)}> closes ${openName}`, start);
        }
        const tagEnd = xml.indexOf('>', end);
        if (xml.slice(end, tagEnd).trim() !== '')
          throw malformedAt(`</${excerpt(closedName)}> contains more than its name`, end);
        closeElement(element, { start, end }, tagEnd + 1);
      },
      ontext(start, end) {
        const text = xml.slice(start, end);
        if (text.includes('<')) throw malformedAt('a < does not start a tag', start);
        visitor.text?.(text);
      },
      ontextentity(codepoint) {
        visitor.text?.(String.fromCodePoint(codepoint));
      },
      oncdata(start, end, offset) {
        if (offset !== 2 || !xml.startsWith(']]>', end - 2)) throw malformedAt('a CDATA section is not closed', start);
        visitor.text?.(xml.slice(start, end - 2));
      },
      oncomment(start, end, offset) {
        if (offset !== 2 || !xml.startsWith('-->', end - 2)) throw malformedAt('a comment is not closed', start);
        // Some parsers take <!--> and <!---> for whole comments.
        if (/^-?>/.test(xml.slice(start, start + 2))) throw malformedAt('a comment starts with > or ->', start);
      },
      onprocessinginstruction(start, end) {
        countElement();
        visitor.instruction?.({ start: start - 2, end: end + 2 });
      },
      ondeclaration(start) {
        throw malformedAt('a declaration is inside the root element', start);
      },
      onend() {},
    },
  );
  tokenizer.write(xml);
  tokenizer.end();
  if (rootEnd === undefined) throw malformedXmlError(`<${excerpt(stack.at(-1)?.name ?? nameOf(name))}> is not closed`);
  return rootEnd;
}
