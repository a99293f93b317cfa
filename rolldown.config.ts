import { defineConfig } from 'rolldown';
import manifest from './package.json' with { type: 'json' };

/** Each entry of `exports` as one file: two hundred take longer to load than the code in them. */
export default defineConfig({
  input: { index: 'src/index.ts', 'testing/index': 'src/testing/index.ts' },
  platform: 'node',
  transform: { target: 'node20.19' },
  external: [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies)],
  output: { dir: 'dist', cleanDir: true, chunkFileNames: '[name].js' },
});
