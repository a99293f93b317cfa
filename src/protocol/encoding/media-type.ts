/** A `Content-Type` taken apart; both are lower-case and empty where there is none. */
export interface MediaType {
  /** Such as `text/html`. */
  readonly type: string;
  readonly charset: string;
}

/** Reads a `Content-Type` header. Never throws: nonsense is an empty type. */
export function parseMediaType(contentType: string | null | undefined): MediaType {
  const [type = '', ...parameters] = (contentType ?? '').toLowerCase().split(';');
  const charset = parameters.map((parameter) => /^\s*charset\s*=\s*["']?([^"'\s]*)/.exec(parameter)?.[1]);
  return { type: type.trim(), charset: charset.find((name) => name !== undefined) ?? '' };
}

/** Whether a media type, alone and in lower case, is JSON: `application/json`, or one with the suffix `+json`. */
export function isJsonType(type: string): boolean {
  return type === 'application/json' || type.endsWith('+json');
}

/** Whether a media type, alone and in lower case, is text that a person reads: `text/*`, `application/xml`, or `+xml`. */
export function isTextType(type: string): boolean {
  return type.startsWith('text/') || type === 'application/xml' || type.endsWith('+xml');
}

/** The media type of an HTML form, alone and in lower case. */
export const FORM_TYPE = 'application/x-www-form-urlencoded';
