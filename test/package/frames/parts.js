import { bundlerCases, PACKAGES as BUNDLERS } from './bundlers.js';
import { nestCases, nestPackages } from './nest.js';
import { nextCases, PACKAGES as NEXT } from './next.js';
import { nodeFrameworkCases, PACKAGES as NODE_FRAMEWORKS } from './node-frameworks.js';
import { packageManagerCases } from './package-managers.js';
import { installProject } from './project.js';
import { testRunnerCases, PACKAGES as TEST_RUNNERS } from './test-runners.js';

/** Each part prepares a project in an empty folder and resolves with its cases. */
export const PARTS = {
  async node(folder, tarball) {
    await installProject(folder, [...NODE_FRAMEWORKS, ...BUNDLERS, tarball]);
    return [...(await nodeFrameworkCases(folder)), ...bundlerCases(folder)];
  },
  async nest11(folder, tarball) {
    await installProject(folder, [...nestPackages(11), tarball]);
    return nestCases(folder, { major: 11, type: 'commonjs' });
  },
  async nest12(folder, tarball) {
    await installProject(folder, [...nestPackages(12), tarball]);
    return nestCases(folder, { major: 12, type: 'module' });
  },
  async next(folder, tarball) {
    await installProject(folder, [...NEXT, tarball]);
    return nextCases(folder);
  },
  async runners(folder, tarball) {
    await installProject(folder, [...TEST_RUNNERS, tarball]);
    return testRunnerCases(folder);
  },
  managers: packageManagerCases,
};
