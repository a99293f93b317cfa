import { partKey } from '../record-key.js';

/** Stores texts by key. */
export interface Texts {
  get(key: string): Promise<string | undefined>;
  set(key: string, text: string): Promise<void>;
  delete(key: string): Promise<void>;
}

/** Stores texts of any length by key. */
export interface MultipartTexts extends Texts {
  /** Joins the parts that `head` names, or returns `head` if it is the text. */
  join(key: string, head: string | undefined): Promise<string | undefined>;
}

/**
 * Maximum characters of a text in MySQL. The column holds 65,535 bytes, and Keyv's JSON around the text may double its
 * size.
 */
export const MYSQL_MAX_TEXT_LENGTH = 30_000;

/** Matches a head that refers to parts. A record's text is JSON, so it never matches. */
const headPattern = /^~(\d+)\.(\d+)$/;

interface PartsHead {
  readonly generation: number;
  readonly count: number;
}

/**
 * Splits a text that is too long for one row. Parts are written first, then the head that names them, so a crash leaves
 * either the old or the new text readable. A long text that replaces another gets the next generation, so its parts do
 * not overwrite the old ones. Parts without a head are never read, and are overwritten later.
 */
export function multipartTexts(rows: Texts, namespace: string, maxLength: number): MultipartTexts {
  const isUnlimited = !Number.isFinite(maxLength);
  const partKeys = (key: string, { generation, count }: PartsHead): string[] =>
    Array.from({ length: count }, (_, index) => partKey(namespace, key, generation, index));

  const join = async (key: string, head: string | undefined): Promise<string | undefined> => {
    const partsHead = parseHead(head);
    if (partsHead === undefined) return head;
    const parts = await Promise.all(partKeys(key, partsHead).map((rowKey) => rows.get(rowKey)));
    if (!parts.includes(undefined)) return parts.join('');
    const currentHead = await rows.get(key);
    if (currentHead !== head) return join(key, currentHead);
    throw new Error(`one of its ${partsHead.count} parts is missing`);
  };

  const removeParts = async (key: string, head: PartsHead | undefined): Promise<void> => {
    if (head !== undefined) await Promise.all(partKeys(key, head).map((rowKey) => rows.delete(rowKey)));
  };

  return {
    join,
    get: async (key) => join(key, await rows.get(key)),
    async set(key, text) {
      if (isUnlimited) return rows.set(key, text);
      const previousHead = parseHead(await rows.get(key));
      if (text.length <= maxLength) {
        await rows.set(key, text);
      } else {
        const head = { generation: (previousHead?.generation ?? 0) + 1, count: Math.ceil(text.length / maxLength) };
        await Promise.all(
          partKeys(key, head).map((rowKey, index) =>
            rows.set(rowKey, text.slice(index * maxLength, (index + 1) * maxLength)),
          ),
        );
        await rows.set(key, `~${head.generation}.${head.count}`);
      }
      return removeParts(key, previousHead);
    },
    async delete(key) {
      const previousHead = isUnlimited ? undefined : parseHead(await rows.get(key));
      await rows.delete(key);
      await removeParts(key, previousHead);
    },
  };
}

function parseHead(row: string | undefined): PartsHead | undefined {
  const match = row === undefined ? null : headPattern.exec(row);
  return match === null ? undefined : { generation: Number(match[1]), count: Number(match[2]) };
}
