import type { NextConfig } from 'next';

const config: NextConfig = {
  // It has a native package below it (lmdb), and loads parts of itself by their path.
  serverExternalPackages: ['websub-subscriber'],
};

export default config;
