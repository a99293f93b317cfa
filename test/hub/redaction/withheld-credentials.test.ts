import { expect, it } from 'vitest';
import { WithheldCredentials } from '../../../src/hub/redaction/withheld-credentials.js';
import { KIND } from '../../../src/logger.js';
import { recordingLogger, type RecordedLine } from '../../kit/recording-logger.js';

it('S5 withheld credentials cause one warning per service and origin', () => {
  const lines: RecordedLine[] = [];
  const withheld = new WithheldCredentials(recordingLogger(lines));
  for (const service of ['News', 'News', 'Other']) {
    withheld.warn(service, 'https://other.example/a', 'https://hub.example/');
    withheld.warn(service, 'https://other.example/b', 'https://hub.example/');
  }
  withheld.warn('News', 'https://third.example/', 'https://hub.example/');
  const kindOf = (origin: string): object => ({ [KIND]: `credentials not sent to ${origin}` });
  expect(lines.map(({ fields }) => fields)).toEqual([
    { service: 'News', origin: 'https://other.example', ...kindOf('https://other.example') },
    { service: 'Other', origin: 'https://other.example', ...kindOf('https://other.example') },
    // Each origin has its own kind, so a bounded log omits none.
    { service: 'News', origin: 'https://third.example', ...kindOf('https://third.example') },
  ]);
  expect(lines[0]).toMatchObject({
    level: 'warn',
    message: expect.stringMatching(/not sent to https:\/\/other\.example: they are for https:\/\/hub\.example only/),
  });
});
