import { expect, test } from 'vitest';
import { withMemoryNames, withStoredNames } from '../../../src/subscription/record/field-names.js';
import type { SubscriptionRecord } from '../../../src/subscription/record/record.js';
import { active } from '../machine/subscription-machine.js';

const { record: activeRecord } = active();
const [grant] = activeRecord.grants;
if (grant === undefined) throw new Error('no grant');

const record: SubscriptionRecord = {
  ...activeRecord,
  stoppedBecause: 'denied',
  stoppedByVersion1: true,
  publisherRetryAfters: [{ url: 'https://a.example/', until: 1 }],
  grants: [
    {
      ...grant,
      requestedAt: 1,
      deniedUnsolicited: true,
      freshCallbackAt: 2,
      denialCheckedAt: 3,
      deferredUntil: 4,
      hasHubAccepted: true,
      wasLastRequestDenied: true,
      isRenewalStarted: true,
      isConfirmationUnsent: true,
      pending: {
        id: 'r',
        mode: 'subscribe',
        deadline: 5,
        accepted: true,
        problem: 'another topic',
        hasUnconfirmedVerification: true,
      },
    },
  ],
};

test('a record keeps the field names that version 0.1.0 stored', () => {
  expect(withStoredNames(record)).toMatchObject({
    hold: 'denied',
    heldByVersion1: true,
    publisherHolds: [{ url: 'https://a.example/', until: 1 }],
    grants: [
      {
        askedAt: 1,
        deniedUnasked: true,
        askAfreshAt: 2,
        questionedAt: 3,
        heldUntil: 4,
        hubSettled: true,
        isDenied: true,
        renewalDue: true,
        unanswered: true,
        pending: { id: 'r', wrong: 'another topic', cameBack: true },
      },
    ],
  });
  expect(JSON.stringify(withStoredNames(record))).not.toMatch(/stoppedBecause|requestedAt|deferredUntil|problem/);
});

test('a stored record gets its in-memory field names back', () => {
  expect(withMemoryNames(withStoredNames(record))).toEqual(record);
});

test.each([undefined, null, 'text', { grants: 'none' }, { grants: [null, 7] }])(
  'any other value is returned unchanged: %j',
  (value) => {
    expect(withMemoryNames(value)).toEqual(value);
  },
);
