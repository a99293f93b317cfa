/** Maximum characters of a message that decide its kind. */
const MAX_HEAD = 200;

/** Maximum number and length of messages in the cache of kinds. Most lines repeat a few messages. */
const MAX_CACHED = 500;
const MAX_CACHED_LENGTH = 500;

const kindCache = new Map<string, string>();

/**
 * Returns the kind of a log line: its message up to the first colon or quote, without its variable parts. URLs and
 * words with a digit (numbers, times, ids) become `…`. Text of a hub comes after a colon or in quotes, so no hub can
 * create kinds.
 */
export function lineKindOf(message: string): string {
  const cached = kindCache.get(message);
  if (cached !== undefined) return cached;
  const [head = ''] = message.slice(0, MAX_HEAD).split(/:\s|"/, 1);
  const kind = head.split(' ').map(withoutVariableWord).join(' ');
  if (message.length > MAX_CACHED_LENGTH) return kind;
  if (kindCache.size >= MAX_CACHED) kindCache.clear();
  kindCache.set(message, kind);
  return kind;
}

function withoutVariableWord(word: string): string {
  return /\d|:\/\//.test(word) ? '…' : word;
}

/** Returns the subscription, grant or service of a line; an empty string if it names none. */
export function subjectOf(fields: object): string {
  const subject = stringField(fields, 'subscription') || stringField(fields, 'service');
  return `${subject} ${stringField(fields, 'grant')}`.trim();
}

function stringField(fields: object, name: string): string {
  const value: unknown = Reflect.get(fields, name);
  return typeof value === 'string' ? value : '';
}
