/** The media type of hub requests, and of the answers that carry a reason. */
export const FORM_TYPE = 'application/x-www-form-urlencoded';

/** Fields as a form-encoded body, UTF-8. */
export function formBody(fields: Readonly<Record<string, string>>): string {
  return new URLSearchParams(fields).toString();
}
