import { statSync } from 'node:fs';

/** What LMDB's binding counts, of the database itself or of its list of free pages. */
interface PageCounts {
  readonly pageSize?: unknown;
  readonly treeBranchPageCount?: unknown;
  readonly treeLeafPageCount?: unknown;
  readonly overflowPages?: unknown;
}

/** The bytes of a database's file that hold nothing: what is written there takes no room of the disk. */
export function unusedBytes(stats: object, path: string): number {
  const { free, ...main }: PageCounts & { readonly free?: PageCounts } = Object(stats);
  // LMDB never writes pages at the end of its file, or in the middle, that are free at once: they have no room yet.
  const { blocks } = statSync(path);
  const metaPages = 2;
  return blocks * 512 - (metaPages + usedPages(main) + usedPages(Object(free))) * Number(main.pageSize);
}

function usedPages({ treeBranchPageCount, treeLeafPageCount, overflowPages }: PageCounts): number {
  return Number(treeBranchPageCount) + Number(treeLeafPageCount) + Number(overflowPages);
}
