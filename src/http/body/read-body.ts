import type { IncomingMessage } from 'node:http';
import type { BodyLimits, BodyProblem, BodyRead, OnChunk, OnRead } from '../callback-request.js';
import { CollectedBytes } from './collected-bytes.js';
import { sendContinue } from './expect-continue.js';
import type { BodyReservation } from './in-flight-bytes.js';

/** The callbacks of a body that is read, and the grant that its bytes are counted for. */
export interface BodyEvents {
  readonly grantId: string;
  readonly onChunk: OnChunk;
  readonly onRead: OnRead;
}

/** Reads the body of a node request, or takes the bytes that an earlier body parser has kept. */
export function readNodeBody(
  request: IncomingMessage,
  limits: BodyLimits,
  { grantId, onChunk, onRead }: BodyEvents,
): void {
  if (request.readableEnded || request.readableDidRead) {
    onRead(preReadBody(request, limits, onChunk));
    return;
  }
  // The request was aborted before this call, so none of the events below would fire.
  if (request.destroyed) {
    onRead({ problem: 'aborted' });
    return;
  }
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > limits.maxBodyBytes) {
    onRead({ problem: 'too-large' });
    return;
  }
  if (request.headers.expect !== undefined) sendContinue(request);
  // Dropped at the end: the listeners live as long as the request.
  let body: CollectedBytes | undefined = new CollectedBytes(announced);
  let reservation: BodyReservation | undefined;
  let isOver = false;
  let timer: NodeJS.Timeout | undefined;
  const end = (read: BodyRead): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    reservation?.release();
    // The answering code handles the remaining body. The error listener stays: a late error must not end the process.
    if ('problem' in read) request.off('data', onData).off('end', onEnd);
    body = undefined;
    onRead(read);
  };
  const addChunk = (chunk: Buffer): void => {
    if (body === undefined) return;
    if (body.size + chunk.length > limits.maxBodyBytes) {
      end({ problem: 'too-large' });
      return;
    }
    body.add(chunk);
    // Most bodies are complete after one chunk and read in this tick. Counting them is not worth its cost.
    if (body.size !== announced) {
      reservation ??= limits.inFlight.reserve(grantId, () => end({ problem: 'memory-limit' }));
      reservation.update(body.capacity);
    }
    onChunk(chunk);
  };
  // An error thrown in a listener, such as by a failed allocation, would end the process.
  const onData = (chunk: Buffer): void => {
    try {
      addChunk(chunk);
    } catch {
      end({ problem: 'failed' });
    }
  };
  const onEnd = (): void => {
    if (body !== undefined) end({ body });
  };
  const onAborted = (): void => end({ problem: 'aborted' });
  request.on('data', onData).on('end', onEnd).on('error', onAborted).on('close', onAborted);
  // Most bodies arrive together with their headers. Those are complete before `setImmediate`, and need no timer.
  setImmediate(() => {
    if (!isOver && !request.complete) timer = setTimeout(() => end({ problem: 'stalled' }), limits.bodyTimeoutMs);
  });
}

/** The bytes that a body parser has kept: as `rawBody`, or as `body` if it does not parse. */
function preReadBody(request: IncomingMessage, { maxBodyBytes }: BodyLimits, onChunk: OnChunk): BodyRead {
  const candidates = [
    'rawBody' in request ? request.rawBody : undefined,
    'body' in request ? request.body : undefined,
    request.headers['content-length'] === '0' ? new Uint8Array() : undefined,
  ];
  const bytes = candidates.find((candidate): candidate is Uint8Array => candidate instanceof Uint8Array);
  if (bytes === undefined) return { problem: 'consumed' };
  if (bytes.byteLength > maxBodyBytes) return { problem: 'too-large' };
  onChunk(bytes);
  return { body: CollectedBytes.of(bytes) };
}

/** Reads the body of a fetch request. Never rejects. */
export async function readWebBody(
  request: Request,
  limits: BodyLimits,
  grantId: string,
  onChunk: OnChunk,
): Promise<BodyRead> {
  // Other code has read this body, or holds its reader.
  if (request.bodyUsed || request.body?.locked === true) return { problem: 'consumed' };
  if (Number(request.headers.get('content-length') ?? 0) > limits.maxBodyBytes) return { problem: 'too-large' };
  if (request.body === null) return { body: new CollectedBytes() };
  const reader = request.body.getReader();
  let problem: BodyProblem = 'failed';
  const stopReading = (reason: BodyProblem): void => {
    problem = reason;
    // This rejects a pending read. Canceling the body would close the connection before the answer.
    reader.releaseLock();
  };
  const timer = setTimeout(stopReading, limits.bodyTimeoutMs, 'stalled');
  const reservation = limits.inFlight.reserve(grantId, () => stopReading('memory-limit'));
  const next = async (): ReturnType<typeof reader.read> => {
    try {
      return await reader.read();
    } catch (error) {
      if (problem === 'failed') problem = 'aborted';
      throw error;
    }
  };
  try {
    const body = new CollectedBytes();
    for (;;) {
      const { done, value } = await next();
      if (done) return { body };
      if (body.size + value.byteLength > limits.maxBodyBytes) return { problem: 'too-large' };
      body.add(value);
      reservation.update(body.capacity);
      onChunk(value);
    }
  } catch {
    return { problem };
  } finally {
    clearTimeout(timer);
    reservation.release();
    reader.releaseLock();
  }
}
