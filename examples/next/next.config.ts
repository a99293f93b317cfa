import type { NextConfig } from 'next';

const config: NextConfig = {
  // The package depends on a native package (lmdb) and loads some of its own files by path.
  serverExternalPackages: ['websub-subscriber'],
};

export default config;
