/** What the hub sent to a callback, and what came back. */
export interface Delivery {
  /** Which part of the protocol it is: sections 5.3, 5.2 (and `hub-error`, Ballerina's extension of it), and 7. */
  readonly kind: 'verification' | 'denial' | 'hub-error' | 'content';
  readonly callback: string;
  readonly topic: string;
  /** What was sent. */
  readonly sent: SentRequest;
  /** The answer's status; undefined when there was none. */
  readonly status: number | undefined;
  /** The answer's headers; empty when there was none. */
  readonly headers: Headers;
  /** The answer's body as text; empty when there was none. */
  readonly body: string;
  /** Why there was no answer; its `cause` is the network's own error. */
  readonly error: Error | undefined;
  readonly at: Date;
}

/** A request the hub sent. */
export interface SentRequest {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
}
