const HEAD_END = '\r\n\r\n';
const LENGTH = /\r\ncontent-length: *(\d+)/i;

/** The facts the load generator needs about a response. */
export interface AnswerHead {
  readonly status: number;
  /** Bytes of head and body. */
  readonly size: number;
}

/**
 * Reads the head of a response; undefined if it is incomplete.
 *
 * @throws Error for a response with a possible body but without `Content-Length`: no other framing is needed here
 */
export function readAnswerHead(bytes: Buffer): AnswerHead | undefined {
  const end = bytes.indexOf(HEAD_END);
  if (end === -1) return undefined;
  const head = bytes.toString('latin1', 0, end);
  const status = Number(head.slice(9, 12));
  // A 204 never has a body (RFC 9110 section 15.3.5) or this header.
  const [, length] = status === 204 ? [head, '0'] : (LENGTH.exec(head) ?? []);
  if (length === undefined) throw new Error(`An answer has no Content-Length: ${head}`);
  return { status, size: end + HEAD_END.length + Number(length) };
}
