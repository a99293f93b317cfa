import { decodedPieces } from '../../protocol/encoding/content-encoding.js';
import { UndecodableError } from '../../protocol/encoding/inflate.js';

/** A body that is coded twice may be so long in between, in bytes. */
const MOST_BETWEEN = 64 * 1024 * 1024;

/** A body without its `Content-Encoding`, decoded as far as it is read. Reading fails where it cannot be decoded. */
export function decodedBody(body: ReadableStream<Uint8Array>, codings: readonly string[]): ReadableStream<Uint8Array> {
  if (codings.length === 0) return body;
  const reader = body.getReader();
  const pieces = decodedPieces(chunksOf(reader), codings, MOST_BETWEEN)[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        let isOver = true;
        try {
          const { done, value } = await pieces.next();
          isOver = done === true;
          if (done === true) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          throw explained(error, codings);
        } finally {
          // Nobody reads what follows.
          if (isOver) reader.cancel().catch(() => undefined);
        }
      },
      async cancel(reason) {
        // First the transfer: the decoder may be waiting for it.
        await reader.cancel(reason);
        await pieces.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

async function* chunksOf(reader: ReadableStreamDefaultReader<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) yield chunk.value;
}

function explained(error: unknown, codings: readonly string[]): unknown {
  if (!(error instanceof UndecodableError)) return error;
  const said = JSON.stringify(codings.join(', ').slice(0, 100));
  return new UndecodableError(`its Content-Encoding ${said} does not decode: ${error.message}`, { cause: error });
}
