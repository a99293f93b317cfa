const HEAD_END = '\r\n\r\n';
const LENGTH = /\r\ncontent-length: *(\d+)/i;

/** What of an answer the load generator has to know. */
export interface AnswerHead {
  readonly status: number;
  /** Bytes of head and body. */
  readonly size: number;
}

/**
 * Reads the head of an answer; undefined where it has not arrived whole.
 *
 * @throws Error for one without `Content-Length` that may have a body: nothing else is needed here
 */
export function readAnswerHead(bytes: Buffer): AnswerHead | undefined {
  const end = bytes.indexOf(HEAD_END);
  if (end === -1) return undefined;
  const head = bytes.toString('latin1', 0, end);
  const status = Number(head.slice(9, 12));
  // It never has a body (RFC 9110 section 15.3.5), nor this header.
  const [, length] = status === 204 ? [head, '0'] : (LENGTH.exec(head) ?? []);
  if (length === undefined) throw new Error(`An answer has no Content-Length: ${head}`);
  return { status, size: end + HEAD_END.length + Number(length) };
}
