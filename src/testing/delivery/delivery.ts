/** A request the hub sent to a callback, and the response. */
export interface Delivery {
  /** The kind of request (WebSub sections 5.3, 5.2 and 7). `hub-error` is Ballerina's extension of section 5.2. */
  readonly kind: 'verification' | 'denial' | 'hub-error' | 'content';
  readonly callback: string;
  readonly topic: string;
  /** The request. */
  readonly sent: SentRequest;
  /** The response status; undefined without a response. */
  readonly status: number | undefined;
  /** The response headers; empty without a response. */
  readonly headers: Headers;
  /** The response body as text; empty without a response. */
  readonly body: string;
  /** The error when there is no response. Its `cause` is the network error. */
  readonly error: Error | undefined;
  /** Time of the response, or of the error. */
  readonly at: Date;
}

/** A request sent by the hub. */
export interface SentRequest {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
}
