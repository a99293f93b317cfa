import { defineConfig, type RolldownOptions } from 'rolldown';
import manifest from './package.json' with { type: 'json' };

const options = {
  platform: 'node',
  transform: { target: 'node20.19' },
  external: [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies)],
} satisfies RolldownOptions;

/** Each entry of `exports` as one file: two hundred take longer to load than the code in them. */
export default defineConfig([
  {
    ...options,
    input: { index: 'src/index.ts', 'testing/index': 'src/testing/index.ts' },
    output: { dir: 'dist', cleanDir: true, chunkFileNames: '[name].js' },
  },
  // What a thread runs: it needs nothing of the rest.
  { ...options, input: { 'parse-worker': 'src/feed/parse-worker.ts' }, output: { dir: 'dist' } },
]);
