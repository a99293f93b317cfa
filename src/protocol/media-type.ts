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
