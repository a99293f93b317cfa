import { INBOX_FULL, STORE_FAILED } from '../delivery/delivery-answer.js';

/** The reasons in error answers to hubs: the `reason` field of their body. Handlers add reasons of their own. */
export const REASON = {
  // Any request
  methodNotAllowed: 'a callback accepts only GET and POST',
  unknownCallback: 'this callback does not exist',
  serviceNotRunning: 'the service of this subscription is not running',
  stopping: 'the subscriber is stopping or has stopped',
  timedOut: 'the subscriber did not answer in time',
  failed: 'the subscriber failed to process the request',

  // Verifications, denials and hub errors
  missingMode: 'hub.mode is missing',
  unknownMode: 'hub.mode is unknown',
  missingTopic: 'hub.topic is missing',
  wrongTopic: 'hub.topic is not the requested topic',
  missingChallenge: 'hub.challenge is missing',
  longChallenge: 'hub.challenge is too long',
  undecodableChallenge: 'hub.challenge is not UTF-8',
  unsafeChallenge: 'hub.challenge has characters that are not safe to return',
  wrongVerifyToken: 'hub.verify_token is wrong',
  unsolicited: { subscribe: 'no subscribe request is open', unsubscribe: 'no unsubscribe request is open' },
  notWanted: {
    subscribe: 'the subscription is no longer wanted',
    unsubscribe: 'the unsubscription is no longer wanted',
  },

  // Content
  neverRequested: 'this subscription was not requested yet',
  refusedByHandler: 'the subscriber refused this subscription',
  ended: 'this subscription has ended',
  wrongSignature: 'the signature is missing or wrong',
  inboxFull: INBOX_FULL.reason,
  notStored: STORE_FAILED.reason,
  bodyTooLarge: 'the content is too large',
  bodyStalled: 'the content did not arrive in time',
  bodyIncomplete: 'the content is incomplete',
  bodyConsumed: 'another part of the server has already read the body',
  bodyFailed: 'the subscriber failed to receive the content',
  tooManyBytesInFlight: 'too much content is arriving at once',
  decodedTooLarge: 'the decoded content is too large',
  decodingStopped: 'the subscriber is too busy to decode the content',
} as const;
