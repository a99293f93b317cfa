import { expect, test } from 'vitest';
import { FORM_TYPE, formBody } from '../../../src/protocol/encoding/form-body.js';

test('a form is percent-encoded, in UTF-8', () => {
  expect(FORM_TYPE).toBe('application/x-www-form-urlencoded');
  expect(formBody({ reason: 'no & never = ü\r\n', more: '1+1' })).toBe(
    'reason=no+%26+never+%3D+%C3%BC%0D%0A&more=1%2B1',
  );
  expect(formBody({})).toBe('');
});
