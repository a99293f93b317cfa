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
 * @throws Error for one without `Content-Length`: nothing else is needed here
 */
export function readAnswerHead(bytes: Buffer): AnswerHead | undefined {
  const end = bytes.indexOf(HEAD_END);
  if (end === -1) return undefined;
  const head = bytes.toString('latin1', 0, end);
  const [, length] = LENGTH.exec(head) ?? [];
  if (length === undefined) throw new Error(`An answer has no Content-Length: ${head}`);
  return { status: Number(head.slice(9, 12)), size: end + HEAD_END.length + Number(length) };
}
