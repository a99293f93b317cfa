/** Characters of a message that are looked at. */
const LONGEST_HEAD = 200;

/** Messages whose kind is remembered, and the longest of them: most lines repeat one of a few. */
const REMEMBERED = 500;
const LONGEST_REMEMBERED = 500;

const known = new Map<string, string>();

/**
 * The kind of a log line: its message up to the first colon or quote, without the parts that change. URLs and words with a digit
 * (numbers, times, ids) become `…`. A hub's own words come after a colon or in quotes, so no hub can invent kinds.
 */
export function kindOf(message: string): string {
  const remembered = known.get(message);
  if (remembered !== undefined) return remembered;
  const [head = ''] = message.slice(0, LONGEST_HEAD).split(/:\s|"/, 1);
  const kind = head.split(' ').map(stable).join(' ');
  if (message.length > LONGEST_REMEMBERED) return kind;
  if (known.size >= REMEMBERED) known.clear();
  known.set(message, kind);
  return kind;
}

function stable(word: string): string {
  return /\d|:\/\//.test(word) ? '…' : word;
}

/** The subscription, grant or service that a line is about; empty where it names none. */
export function subjectOf(fields: object): string {
  const about = fieldOf(fields, 'subscription') || fieldOf(fields, 'service');
  return `${about} ${fieldOf(fields, 'grant')}`.trim();
}

function fieldOf(fields: object, name: string): string {
  const value: unknown = Reflect.get(fields, name);
  return typeof value === 'string' ? value : '';
}
