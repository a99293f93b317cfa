/** A parsed `Content-Type`. Both fields are in lower case, and empty when missing. */
export interface MediaType {
  /** For example `text/html`. */
  readonly type: string;
  readonly charset: string;
}

/** Parses a `Content-Type` header. Never throws: an invalid type is returned unchecked. */
export function parseMediaType(contentType: string | null | undefined): MediaType {
  const [type = '', ...parameters] = (contentType ?? '').toLowerCase().split(';');
  const charset = parameters.map((parameter) => /^\s*charset\s*=\s*["']?([^"'\s]*)/.exec(parameter)?.[1]);
  return { type: type.trim(), charset: charset.find((name) => name !== undefined) ?? '' };
}

/** Whether a media type (lower case, no parameters) is JSON: `application/json`, or the suffix `+json`. */
export function isJsonType(type: string): boolean {
  return type === 'application/json' || type.endsWith('+json');
}

/**
 * Whether a media type (lower case, no parameters) is readable text: `text/*`, `application/xml`, or the suffix `+xml`.
 */
export function isTextType(type: string): boolean {
  return type.startsWith('text/') || type === 'application/xml' || type.endsWith('+xml');
}

/** The media type of an HTML form, in lower case and without parameters. */
export const FORM_TYPE = 'application/x-www-form-urlencoded';
