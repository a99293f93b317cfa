/** Fields whose values make two lines of one event different: neither repeats the other. */
const SUBJECT_FIELDS = ['grant', 'origin', 'method', 'mode', 'task', 'sweep', 'step', 'hook'];

/** Names what a log line is about: its subscription or service, and the values of the subject fields. */
export function subjectOf(fields: object): string {
  return [ownerOf(fields), ...SUBJECT_FIELDS.map((name) => stringField(fields, name))]
    .filter((part) => part !== '')
    .join(' ');
}

/** The subscription or service of a log line. Empty if it has neither. */
export function ownerOf(fields: object): string {
  return stringField(fields, 'subscription') || stringField(fields, 'service');
}

/** The kind of a log line: its `event`, or the message of a line without one. */
export function kindOf(fields: object, message: string): string {
  return stringField(fields, 'event') || message;
}

function stringField(fields: object, name: string): string {
  const value: unknown = Reflect.get(fields, name);
  return typeof value === 'string' ? value : '';
}
