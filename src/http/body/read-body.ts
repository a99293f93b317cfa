import type { IncomingMessage } from 'node:http';
import type { BodyLimits, BodyProblem, BodyRead, OnChunk, OnRead } from '../callback-request.js';
import { CollectedBytes } from './collected-bytes.js';
import { sendContinue } from './expect-continue.js';
import type { BodyReservation } from './in-flight-bytes.js';

/** The callbacks for a body being read, and the grant its bytes are counted for. */
export interface BodyEvents {
  readonly grantId: string;
  readonly onChunk: OnChunk;
  readonly onRead: OnRead;
}

/** Reads a node request's body, or takes what a body parser before us has kept of it. */
export function readNodeBody(
  request: IncomingMessage,
  limits: BodyLimits,
  { grantId, onChunk, onRead }: BodyEvents,
): void {
  if (request.readableEnded || request.readableDidRead) {
    onRead(preReadBody(request, limits, onChunk));
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
  if (request.headers.expect !== undefined) sendContinue(request);
  const body = new CollectedBytes(announced, limits.maxBodyBytes);
  let reservation: BodyReservation | undefined;
  let isOver = false;
  let timer: NodeJS.Timeout | undefined;
  const end = (read: BodyRead): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    reservation?.release();
    if ('problem' in read) {
      // The code that answers handles the rest of the body. The error listener stays: a late error must not end the process.
      request.off('data', onData).off('end', onEnd);
      // It would be kept for as long as the request.
      body.clear();
    }
    onRead(read);
  };
  const addChunk = (chunk: Buffer): void => {
    if (body.size + chunk.length > limits.maxBodyBytes) {
      end({ problem: 'too-large' });
      return;
    }
    body.add(chunk);
    // One that came whole, as most do, is read in this very turn: counting it would cost more than it holds.
    if (body.size !== announced) {
      reservation ??= limits.inFlight.reserve(grantId, () => end({ problem: 'memory-limit' }));
      reservation.update(body.capacity);
    }
    onChunk(chunk);
  };
  // An error thrown in a listener, such as by an allocation that fails, would end the process.
  const onData = (chunk: Buffer): void => {
    try {
      addChunk(chunk);
    } catch {
      end({ problem: 'failed' });
    }
  };
  const onEnd = (): void => {
    let read: BodyRead;
    try {
      read = { bytes: body.bytes() };
    } catch {
      read = { problem: 'failed' };
    }
    end(read);
  };
  const onAborted = (): void => end({ problem: 'aborted' });
  request.on('data', onData).on('end', onEnd).on('error', onAborted).on('close', onAborted);
  // What has come with its head, as most do, can no longer be late: that spares a timer for each delivery.
  setImmediate(() => {
    if (!isOver && !request.complete) timer = setTimeout(() => end({ problem: 'stalled' }), limits.bodyTimeoutMs);
  });
}

/** Body parsers leave `rawBody` or, where they do not parse, the bytes themselves as `body`. */
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
  return { bytes };
}

/** Reads a fetch request's body. Never rejects. */
export async function readWebBody(
  request: Request,
  limits: BodyLimits,
  grantId: string,
  onChunk: OnChunk,
): Promise<BodyRead> {
  // Whoever holds a reader of it reads it, or will.
  if (request.bodyUsed || request.body?.locked === true) return { problem: 'consumed' };
  if (Number(request.headers.get('content-length') ?? 0) > limits.maxBodyBytes) return { problem: 'too-large' };
  if (request.body === null) return { bytes: new Uint8Array() };
  const reader = request.body.getReader();
  let problem: BodyProblem = 'failed';
  const cancel = (why: BodyProblem): void => {
    problem = why;
    // A read that waits is rejected by this. Cancelling would close the connection before the answer.
    reader.releaseLock();
  };
  const timer = setTimeout(cancel, limits.bodyTimeoutMs, 'stalled');
  const reservation = limits.inFlight.reserve(grantId, () => cancel('memory-limit'));
  const next = async (): ReturnType<typeof reader.read> => {
    try {
      return await reader.read();
    } catch (error) {
      if (problem === 'failed') problem = 'aborted';
      throw error;
    }
  };
  try {
    const body = new CollectedBytes(0, limits.maxBodyBytes);
    for (;;) {
      const { done, value } = await next();
      if (done) return { bytes: body.bytes() };
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
