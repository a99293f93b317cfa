import { parseFeed } from 'feedsmith';
import { answerCalls, numbersOf, stringsOf } from '../calls.js';
import { readEntries } from './read-entries.js';

const BASE = 'https://publisher.example/feed';

/** Readers that parse a whole document and return its number of entries. */
const READERS: Readonly<Record<string, (text: string) => number>> = {
  floor(text) {
    const parsed = parseFeed(text);
    return parsed.format === 'atom' ? (parsed.feed.entries?.length ?? 0) : 0;
  },
  ours: (text) => readEntries(text, BASE).length,
};

/** Parses a document repeatedly for the requested time. */
answerCalls({
  parse(argument) {
    const { reader, text } = stringsOf(argument, ['reader', 'text']);
    const { milliseconds } = numbersOf(argument, ['milliseconds']);
    const read = READERS[reader];
    if (read === undefined) throw new Error(`There is no reader "${reader}"`);
    const startedAt = performance.now();
    let [documents, entries, elapsed] = [0, 0, 0];
    while (elapsed < milliseconds) {
      entries += read(text);
      documents += 1;
      elapsed = performance.now() - startedAt;
    }
    return { documents, entries, milliseconds: elapsed };
  },
  stop: () => ({}),
});
