import { open } from 'lmdb';
import { answerCalls, stringsOf } from '../calls.js';

/** The minimum work of a start: bare lmdb reads, decodes and keeps each row. */
const kept: unknown[] = [];

answerCalls({
  start(setup) {
    const { directory } = stringsOf(setup, ['directory']);
    const startedAt = performance.now();
    const database = open(directory, { noSubdir: false, readOnly: true });
    for (const { value } of database.getRange()) kept.push(value);
    return { milliseconds: performance.now() - startedAt, rows: kept.length };
  },
  stop: () => ({}),
});
