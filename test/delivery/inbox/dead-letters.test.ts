import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { DEAD_LETTER_VIEW, type DeadLetter } from '../../../src/delivery/inbox/dead-letters.js';
import { withView } from '../../../src/subscription/record/log-view.js';

const letterOf = (messages: readonly string[]): DeadLetter =>
  withView<DeadLetter>(
    {
      id: 'e1',
      service: 'news',
      subscriptionId: 's1',
      receivedAt: new Date(0),
      deadSince: new Date(1),
      cause: 'failed',
      attempts: messages.length,
      errors: messages.map((message) => ({ message, at: new Date(0) })),
    },
    DEAD_LETTER_VIEW,
  );

test('a dead letter shows the messages of its last ten errors', () => {
  expect(inspect(letterOf(['one', 'two']))).toContain("errors: [ 'one', 'two' ]");
  const shown = inspect(letterOf(Array.from({ length: 200 }, (_, index) => `error ${index}`)));
  expect(shown).toContain("'… 190 earlier'");
  expect(shown).not.toContain("'error 189'");
  expect(shown).toContain("'error 190'");
});

test('a dead letter shows long messages cut to 200 characters', () => {
  const shown = inspect(letterOf(['x'.repeat(1_000)]), { breakLength: Infinity });
  expect(shown).toContain(`'${'x'.repeat(200)}…'`);
});
