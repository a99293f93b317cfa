import { answerCalls, numbersOf, stringsOf } from '../calls.js';
import { seedStore } from './seed-store.js';

/** Fills a store for the parent process. */
answerCalls({
  async seed(argument) {
    const texts = stringsOf(argument, ['directory', 'hub', 'topic', 'secret']);
    return { port: await seedStore({ ...texts, ...numbersOf(argument, ['count', 'renewsAt']) }) };
  },
  stop: () => ({}),
});
