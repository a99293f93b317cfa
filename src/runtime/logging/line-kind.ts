/** Characters of a message that are looked at. */
const MAX_HEAD = 200;

/** Messages whose kind is remembered, and the longest of them: most lines repeat one of a few. */
const MAX_CACHED = 500;
const MAX_CACHED_LENGTH = 500;

const kindCache = new Map<string, string>();

/**
 * The kind of a log line: its message up to the first colon or quote, without the parts that change. URLs and words with a digit
 * (numbers, times, ids) become `…`. A hub's own words come after a colon or in quotes, so no hub can invent kinds.
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

/** The subscription, grant or service that a line is about; empty where it names none. */
export function subjectOf(fields: object): string {
  const subject = stringField(fields, 'subscription') || stringField(fields, 'service');
  return `${subject} ${stringField(fields, 'grant')}`.trim();
}

function stringField(fields: object, name: string): string {
  const value: unknown = Reflect.get(fields, name);
  return typeof value === 'string' ? value : '';
}
