import { statSync } from 'node:fs';

/** LMDB's page counts, of the database or of its free list. */
interface PageCounts {
  readonly pageSize?: unknown;
  readonly treeBranchPageCount?: unknown;
  readonly treeLeafPageCount?: unknown;
  readonly overflowPages?: unknown;
}

/** Returns the allocated bytes of a database file that hold no data. Writing there takes no disk space. */
export function unusedBytes(stats: object, path: string): number {
  const { free, ...main }: PageCounts & { readonly free?: PageCounts } = Object(stats);
  // Counts blocks, not the file size: LMDB never writes pages that are freed in the transaction that allocated them.
  const { blocks } = statSync(path);
  const metaPages = 2;
  return blocks * 512 - (metaPages + usedPages(main) + usedPages(Object(free))) * Number(main.pageSize);
}

function usedPages({ treeBranchPageCount, treeLeafPageCount, overflowPages }: PageCounts): number {
  return Number(treeBranchPageCount) + Number(treeLeafPageCount) + Number(overflowPages);
}
