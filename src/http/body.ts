import type { IncomingMessage } from 'node:http';
import type { BodyLimits, BodyRead } from './callback-request.js';

type OnChunk = (chunk: Uint8Array) => void;

/** Reads a node request's body, or takes what a body parser before us has kept of it. */
export function readNodeBody(request: IncomingMessage, limits: BodyLimits, onChunk: OnChunk): Promise<BodyRead> {
  if (request.readableEnded) return Promise.resolve(keptBody(request, limits, onChunk));
  if (Number(request.headers['content-length'] ?? 0) > limits.maxBodyBytes) {
    return Promise.resolve({ problem: 'too-large' });
  }
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const end = (read: BodyRead): void => {
      clearTimeout(timer);
      request.off('data', onData).off('end', onEnd).off('error', onAborted).off('close', onAborted);
      // An error after we stopped listening must not end the process.
      if ('problem' in read) request.on('error', () => {});
      resolve(read);
    };
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > limits.maxBodyBytes) {
        end({ problem: 'too-large' });
        return;
      }
      chunks.push(chunk);
      onChunk(chunk);
    };
    const onEnd = (): void => {
      const [only] = chunks;
      end({ bytes: chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, size) });
    };
    const onAborted = (): void => end({ problem: 'aborted' });
    const timer = setTimeout(() => end({ problem: 'stalled' }), limits.bodyTimeoutMs);
    request.on('data', onData).on('end', onEnd).on('error', onAborted).on('close', onAborted);
  });
}

/** Body parsers leave `rawBody` or, where they do not parse, the bytes themselves as `body`. */
function keptBody(request: IncomingMessage, { maxBodyBytes }: BodyLimits, onChunk: OnChunk): BodyRead {
  const candidates = [
    'rawBody' in request ? request.rawBody : undefined,
    'body' in request ? request.body : undefined,
  ];
  const bytes = candidates.find((candidate): candidate is Uint8Array => candidate instanceof Uint8Array);
  if (bytes === undefined) return { problem: 'consumed' };
  if (bytes.byteLength > maxBodyBytes) return { problem: 'too-large' };
  onChunk(bytes);
  return { bytes };
}

/** Reads a fetch request's body. */
export async function readWebBody(request: Request, limits: BodyLimits, onChunk: OnChunk): Promise<BodyRead> {
  if (request.bodyUsed) return { problem: 'consumed' };
  if (Number(request.headers.get('content-length') ?? 0) > limits.maxBodyBytes) return { problem: 'too-large' };
  const reader = request.body?.getReader();
  if (reader === undefined) return { bytes: new Uint8Array() };
  const chunks: Uint8Array[] = [];
  let size = 0;
  let timer: NodeJS.Timeout | undefined;
  const stalled = new Promise<'stalled'>((resolve) => {
    timer = setTimeout(() => resolve('stalled'), limits.bodyTimeoutMs);
  });
  try {
    for (;;) {
      const next = await Promise.race([reader.read(), stalled]);
      if (next === 'stalled') return given(reader, 'stalled');
      if (next.done) return { bytes: Buffer.concat(chunks, size) };
      size += next.value.byteLength;
      if (size > limits.maxBodyBytes) return given(reader, 'too-large');
      chunks.push(next.value);
      onChunk(next.value);
    }
  } catch {
    return { problem: 'aborted' };
  } finally {
    clearTimeout(timer);
  }
}

/** The rest is not read. */
function given(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  problem: 'stalled' | 'too-large',
): BodyRead {
  // Cancelling waits for the sender where there is one that never answers.
  void reader.cancel().catch(() => {});
  return { problem };
}
