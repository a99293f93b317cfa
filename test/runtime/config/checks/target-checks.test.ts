import { describe, expect, it } from 'vitest';
import { checkServiceConfig } from '../../../../src/runtime/config/check-config.js';

const check = (config: unknown): unknown => Reflect.apply(checkServiceConfig, undefined, ['News', config]);

const feedUrl = 'https://example.com/a';
const urlWithQuery = 'http://example.com:8080/b?x=1&y=é';
const hub = 'https://hub.example/';

describe('targets', () => {
  it.each([
    [{ target: feedUrl }, [feedUrl]],
    [{ target: [hub, feedUrl] }, [{ hub, topic: feedUrl }]],
    [{ target: { hub, topic: feedUrl } }, [{ hub, topic: feedUrl }]],
    [
      { target: urlWithQuery, targets: [feedUrl, { hub, topic: feedUrl }] },
      [urlWithQuery, feedUrl, { hub, topic: feedUrl }],
    ],
    [{ target: { hub, topic: 'fdb2f928-5546' } }, [{ hub, topic: 'fdb2f928-5546' }]],
    [{ targets: [] }, []],
    [{ target: 'HTTPS://Example.COM' }, ['HTTPS://Example.COM']],
  ])('are accepted from %j, and their URLs keep their spelling', (config, targets) => {
    expect(check(config)).toMatchObject({ targets });
  });

  it.each([
    [{ target: 'example.com/feed' }, 'target is "example.com/feed"; it must be an absolute URL'],
    [{ target: 'ftp://example.com/' }, 'target is "ftp://example.com/"; it must be an http or https URL.'],
    [{ target: 'https://' }, 'target is "https://"; it must be an absolute URL'],
    [{ target: `${feedUrl}#top` }, `target is "${feedUrl}#top"; it must be a URL without a fragment`],
    [{ target: ` ${feedUrl}` }, `target is " ${feedUrl}"; it must be an http or https URL without white space.`],
    [{ target: `${feedUrl} b` }, `target is "${feedUrl} b"; it must be an http or https URL without white space.`],
    [{ target: 'https://example.com:99999/' }, 'target is "https://example.com:99999/"; it must be an absolute URL'],
    [{ target: 5 }, 'target is 5; it must be a URL as a string, or { hub, topic }.'],
    [{ target: new URL(feedUrl) }, 'target is an object; it must be a URL as a string, or { hub, topic }.'],
    [{ target: [hub] }, 'target has no topic; it must have a hub and a topic.'],
    [{ target: [] }, 'target has no hub;'],
    [
      { target: [hub, feedUrl, feedUrl] },
      'target has 3 items; it must be [hub, topic]. For several targets, use targets.',
    ],
    [{ target: [hub, 'a b'] }, 'target[1] is "a b"; it must be the topic\'s URL or name'],
    [{ target: ['hub', feedUrl] }, 'target[0] is "hub"; it must be an absolute URL'],
    [{ target: { hub } }, 'target has no topic;'],
    [{ target: { topic: feedUrl } }, 'target has no hub;'],
    [{ target: { hub, topic: '' } }, 'target.topic is ""; it must be the topic\'s URL or name, without'],
    [{ target: { hub, topic: 5 } }, "target.topic is 5; it must be the topic's URL or name"],
    [{ target: { hub: `${hub}#a`, topic: feedUrl } }, `target.hub is "${hub}#a"; it must be a URL without a fragment`],
    [{ target: { hub, topics: feedUrl } }, 'target.topics is not a known field (did you mean topic?)'],
    [{ targets: feedUrl }, `targets is "${feedUrl}"; it must be a list of URLs and { hub, topic } objects.`],
    [{ targets: [feedUrl, 'b'] }, 'targets[1] is "b"; it must be an absolute URL'],
    [{ targets: [[hub, feedUrl]] }, 'targets[0] is an array; it must be a URL as a string, or { hub, topic }.'],
  ])('are refused if they are invalid: %j', (config, message) => {
    expect(() => check(config)).toThrow(`Service "News": ${message}`);
  });

  it.each(['target', 'targets'])('are refused if %s is present but undefined', (field) => {
    expect(() => check({ [field]: undefined })).toThrow(
      `Service "News": ${field} is undefined. If it is read from an environment variable, check that the variable is set. ` +
        'To subscribe later with runtime.subscribe(), omit the field.',
    );
    expect(check({})).toMatchObject({ targets: [] });
  });

  it.each([
    { target: 'https://someone:hush@example.com/' },
    { target: 'https://hush@example.com/ a' },
    { target: { hub: 'https://someone:hush@example.com/', topic: feedUrl } },
    { target: { hub, topic: 'https://someone:hush@example.com/' } },
  ])('are refused with credentials, and the error does not show them: %j', (config) => {
    const refusal = (): unknown => check(config);
    expect(refusal).toThrow(/^Service "News": target[^:]*"https:\/\/example\.com\//);
    expect(refusal).not.toThrow(/someone|hush/);
  });

  it.each([
    [{ targets: [feedUrl, feedUrl] }, feedUrl],
    [{ target: feedUrl, targets: [feedUrl] }, feedUrl],
    [{ target: [hub, 'x'], targets: [{ hub, topic: 'x' }] }, `x at ${hub}`],
    [{ target: 'https://example.com', targets: ['https://EXAMPLE.com/'] }, 'https://EXAMPLE.com/'],
    [
      { target: [hub, feedUrl], targets: [{ hub: 'https://hub.example', topic: feedUrl }] },
      `${feedUrl} at https://hub.example`,
    ],
  ])('are refused if two of them are equal: %j', (config, duplicate) => {
    expect(() => check(config)).toThrow(
      `Service "News": targets names ${duplicate} twice (target and targets count together). Name each target once.`,
    );
  });
});
