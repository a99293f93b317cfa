import { nestCases, nestPackages } from './nest.js';
import { nodeFrameworkCases, PACKAGES as NODE_FRAMEWORKS } from './node-frameworks.js';
import { installProject } from './project.js';

/** Each part prepares a project in an empty folder and resolves with its cases. */
export const PARTS = {
  async node(folder, tarball) {
    await installProject(folder, [...NODE_FRAMEWORKS, tarball]);
    return nodeFrameworkCases(folder);
  },
  async nest11(folder, tarball) {
    await installProject(folder, [...nestPackages(11), tarball]);
    return nestCases(folder, { major: 11, type: 'commonjs' });
  },
  async nest12(folder, tarball) {
    await installProject(folder, [...nestPackages(12), tarball]);
    return nestCases(folder, { major: 12, type: 'module' });
  },
};
