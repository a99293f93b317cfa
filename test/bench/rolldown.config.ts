import { defineConfig } from 'rolldown';

/** What the package does not export, and is measured all the same: how the entries of an event are read. */
export default defineConfig({
  input: 'src/feed/read-feed.ts',
  platform: 'node',
  external: /^[^./]/,
  output: { file: 'test/bench/dist/read-feed.js' },
});
