import { describe, expect, test } from 'vitest';
import {
  InternalHubError,
  ResourceDiscoveryFailedError,
  SubscriptionDeniedError,
  SubscriptionInitiationError,
  UnrecoverableEventError,
  WebSubError,
} from '../src/index.js';

describe('an error of the class', () => {
  test.each([
    [SubscriptionDeniedError, 'ERR_WEBSUB_DENIED', { subscription: undefined, grant: undefined, topic: undefined }],
    [InternalHubError, 'ERR_WEBSUB_HUB_ERROR', { subscription: undefined, grant: undefined, topic: undefined }],
    [UnrecoverableEventError, 'ERR_WEBSUB_UNRECOVERABLE_EVENT', { name: 'UnrecoverableEventError' }],
    [ResourceDiscoveryFailedError, 'ERR_WEBSUB_DISCOVERY', { reason: 'no-hub', status: undefined }],
    [SubscriptionInitiationError, 'ERR_WEBSUB_INITIATION', { reason: 'refused', hub: undefined, topic: undefined }],
  ])(
    '%o that is created with only a message is a WebSubError with its code and known fields',
    (ErrorClass, code, fields) => {
      const error = new ErrorClass('no');
      expect(error).toBeInstanceOf(WebSubError);
      expect(error.message).toBe('no');
      expect(error.code).toBe(code);
      expect(error).toMatchObject(fields);
    },
  );

  test.each([SubscriptionDeniedError, InternalHubError, ResourceDiscoveryFailedError, SubscriptionInitiationError])(
    '%o carries a cause, headers and a body',
    (ErrorClass) => {
      const cause = new Error('why');
      const error = new ErrorClass('no', { cause, headers: { 'x-a': 'b' }, body: { c: 'd' } });
      expect(error).toMatchObject({ cause, headers: { 'x-a': 'b' }, body: { c: 'd' } });
    },
  );
});
