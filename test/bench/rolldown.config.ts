import { defineConfig } from 'rolldown';

/** Builds the entry reader, which the benchmark measures although the package does not export it. */
export default defineConfig({
  input: 'src/feed/read-feed.ts',
  platform: 'node',
  external: /^[^./]/,
  output: { file: 'test/bench/dist/read-feed.js' },
});
