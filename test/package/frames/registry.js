import { runCommand } from './command.js';

/** The registry npm uses, as settings for other package managers: in files and in the environment. */
export async function registryOf(cwd) {
  const get = async (key) => (await runCommand('npm', ['config', 'get', key], { cwd })).trim();
  const [registry, cafile] = await Promise.all([get('registry'), get('cafile')]);
  const hasCafile = cafile !== 'null' && cafile !== '';
  const { protocol, hostname } = new URL(registry);
  const env = {
    YARN_NPM_REGISTRY_SERVER: registry,
    ...(protocol === 'http:' ? { YARN_UNSAFE_HTTP_WHITELIST: hostname } : {}),
    ...(hasCafile ? { YARN_HTTPS_CA_FILE_PATH: cafile } : {}),
  };
  return { env, npmrc: `registry=${registry}\n${hasCafile ? `cafile=${cafile}\n` : ''}update-notifier=false\n` };
}
