import { partKey } from '../record-key.js';

/** Texts by key. */
export interface Texts {
  get(key: string): Promise<string | undefined>;
  set(key: string, text: string): Promise<void>;
  delete(key: string): Promise<void>;
}

/** Texts by key, of any length. */
export interface MultipartTexts extends Texts {
  /** The whole text of a key whose row is `head`. */
  join(key: string, head: string | undefined): Promise<string | undefined>;
}

/** A head that stands for parts. A record's own text is JSON and never begins so. */
const headPattern = /^~(\d+)\.(\d+)$/;

interface PartsHead {
  readonly generation: number;
  readonly count: number;
}

/**
 * Keeps a text that is too long for a row in several: the parts first, then the head that names them, so that a crash
 * leaves either the old text or the new one to be read. Each text of a key has a generation of its own; parts that no
 * head names are never read and are overwritten in time.
 */
export function multipartTexts(rows: Texts, namespace: string, maxLength: number): MultipartTexts {
  const isUnlimited = !Number.isFinite(maxLength);
  const partKeys = (key: string, { generation, count }: PartsHead): string[] =>
    Array.from({ length: count }, (_, index) => partKey(namespace, key, generation, index));

  const join = async (key: string, head: string | undefined): Promise<string | undefined> => {
    const partsHead = parseHead(head);
    if (partsHead === undefined) return head;
    const parts = await Promise.all(partKeys(key, partsHead).map((name) => rows.get(name)));
    if (!parts.includes(undefined)) return parts.join('');
    const now = await rows.get(key);
    if (now !== head) return join(key, now);
    throw new Error(`one of its ${partsHead.count} parts is missing`);
  };

  const removeParts = async (key: string, head: PartsHead | undefined): Promise<void> => {
    if (head !== undefined) await Promise.all(partKeys(key, head).map((name) => rows.delete(name)));
  };

  return {
    join,
    get: async (key) => join(key, await rows.get(key)),
    async set(key, text) {
      if (isUnlimited) return rows.set(key, text);
      const before = parseHead(await rows.get(key));
      if (text.length <= maxLength) {
        await rows.set(key, text);
      } else {
        const head = { generation: (before?.generation ?? 0) + 1, count: Math.ceil(text.length / maxLength) };
        await Promise.all(
          partKeys(key, head).map((name, index) =>
            rows.set(name, text.slice(index * maxLength, (index + 1) * maxLength)),
          ),
        );
        await rows.set(key, `~${head.generation}.${head.count}`);
      }
      return removeParts(key, before);
    },
    async delete(key) {
      const before = isUnlimited ? undefined : parseHead(await rows.get(key));
      await rows.delete(key);
      await removeParts(key, before);
    },
  };
}

function parseHead(row: string | undefined): PartsHead | undefined {
  const match = row === undefined ? null : headPattern.exec(row);
  return match === null ? undefined : { generation: Number(match[1]), count: Number(match[2]) };
}
