import { expect, it } from 'vitest';
import { WithheldCredentials } from '../../../src/hub/redaction/withheld-credentials.js';
import { subjectOf } from '../../../src/runtime/logging/line-kind.js';
import { recordingLogger, type RecordedLine } from '../../kit/recording-logger.js';

it('S5 withheld credentials cause one warning per service and origin', () => {
  const lines: RecordedLine[] = [];
  const withheld = new WithheldCredentials(recordingLogger(lines));
  for (const service of ['News', 'News', 'Other']) {
    withheld.warn(service, 'https://other.example/a', 'https://hub.example/');
    withheld.warn(service, 'https://other.example/b', 'https://hub.example/');
  }
  withheld.warn('News', 'https://third.example/', 'https://hub.example/');
  expect(lines.map(({ event, fields }) => ({ event, ...fields }))).toEqual([
    { event: 'credentials.withheld', service: 'News', origin: 'https://other.example' },
    { event: 'credentials.withheld', service: 'Other', origin: 'https://other.example' },
    { event: 'credentials.withheld', service: 'News', origin: 'https://third.example' },
  ]);
  // Each line has its own subject, so a bounded log suppresses none.
  expect(new Set(lines.map(({ fields }) => subjectOf(fields))).size).toBe(3);
  expect(lines[0]).toMatchObject({
    level: 'warn',
    message: expect.stringMatching(/not sent to https:\/\/other\.example\b.* for https:\/\/hub\.example only/),
  });
});
