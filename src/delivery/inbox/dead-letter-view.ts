import { viewNamed, type LogView } from '../../subscription/record/log-view.js';
import type { DeadLetter } from './dead-letters.js';

/** How many errors `console.log` shows, the latest, and how many characters of each. */
const SHOWN_ERRORS = 10;
const SHOWN_CHARACTERS = 200;

/** Shows a dead letter in `console.log`: its errors by their messages, and its event by its summary. */
export const DEAD_LETTER_VIEW: LogView<DeadLetter> = {
  value() {
    const earlier = this.errors.length - SHOWN_ERRORS;
    const messages = this.errors.slice(-SHOWN_ERRORS).map(({ message }) => shortened(message));
    const errors = earlier > 0 ? [`… ${earlier} earlier`, ...messages] : messages;
    return viewNamed('DeadLetter', { ...this, errors });
  },
};

function shortened(message: string): string {
  const characters = Array.from(message);
  return characters.length > SHOWN_CHARACTERS ? `${characters.slice(0, SHOWN_CHARACTERS).join('')}…` : message;
}
