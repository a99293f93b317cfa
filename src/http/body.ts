import type { IncomingMessage } from 'node:http';
import type { BodyLimits, BodyRead, OnChunk, OnRead } from './callback-request.js';
import { CollectedBytes } from './collected-bytes.js';

/** Who is told what of a body. */
export interface BodyEvents {
  readonly onChunk: OnChunk;
  readonly onRead: OnRead;
}

/** Reads a node request's body, or takes what a body parser before us has kept of it. */
export function readNodeBody(request: IncomingMessage, limits: BodyLimits, { onChunk, onRead }: BodyEvents): void {
  if (request.readableEnded || request.readableDidRead) {
    onRead(keptBody(request, limits, onChunk));
    return;
  }
  // Gone before we came to it: none of the events below would tell.
  if (request.destroyed) {
    onRead({ problem: 'aborted' });
    return;
  }
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > limits.maxBodyBytes) {
    onRead({ problem: 'too-large' });
    return;
  }
  const body = new CollectedBytes(announced);
  let isOver = false;
  let timer: NodeJS.Timeout | undefined;
  const end = (read: BodyRead): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    // What still comes is for whoever answers. An error from now on must not end the process: that listener stays.
    if ('problem' in read) request.off('data', onData).off('end', onEnd);
    onRead(read);
  };
  const onData = (chunk: Buffer): void => {
    if (body.size + chunk.length > limits.maxBodyBytes) {
      end({ problem: 'too-large' });
      return;
    }
    body.add(chunk);
    onChunk(chunk);
  };
  const onEnd = (): void => end({ bytes: body.bytes() });
  const onAborted = (): void => end({ problem: 'aborted' });
  request.on('data', onData).on('end', onEnd).on('error', onAborted).on('close', onAborted);
  // What has come with its head, as most do, can no longer be late: that spares a timer for each delivery.
  setImmediate(() => {
    if (!isOver && !request.complete) timer = setTimeout(() => end({ problem: 'stalled' }), limits.bodyTimeoutMs);
  });
}

/** Body parsers leave `rawBody` or, where they do not parse, the bytes themselves as `body`. */
function keptBody(request: IncomingMessage, { maxBodyBytes }: BodyLimits, onChunk: OnChunk): BodyRead {
  const candidates = [
    'rawBody' in request ? request.rawBody : undefined,
    'body' in request ? request.body : undefined,
    request.headers['content-length'] === '0' ? new Uint8Array() : undefined,
  ];
  const bytes = candidates.find((candidate): candidate is Uint8Array => candidate instanceof Uint8Array);
  if (bytes === undefined) return { problem: 'consumed' };
  if (bytes.byteLength > maxBodyBytes) return { problem: 'too-large' };
  onChunk(bytes);
  return { bytes };
}

/** Reads a fetch request's body. Never rejects. */
export async function readWebBody(request: Request, limits: BodyLimits, onChunk: OnChunk): Promise<BodyRead> {
  // Whoever holds a reader of it reads it, or will.
  if (request.bodyUsed || request.body?.locked === true) return { problem: 'consumed' };
  if (Number(request.headers.get('content-length') ?? 0) > limits.maxBodyBytes) return { problem: 'too-large' };
  if (request.body === null) return { bytes: new Uint8Array() };
  const reader = request.body.getReader();
  const body = new CollectedBytes();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    // A read that waits is rejected by this. Cancelling would close the connection before the answer.
    reader.releaseLock();
  }, limits.bodyTimeoutMs);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { bytes: body.bytes() };
      if (body.size + value.byteLength > limits.maxBodyBytes) return { problem: 'too-large' };
      body.add(value);
      onChunk(value);
    }
  } catch {
    return { problem: isLate ? 'stalled' : 'aborted' };
  } finally {
    clearTimeout(timer);
    reader.releaseLock();
  }
}
