/** The only path of a server with a single callback. It is as long as this package's paths. */
export const CALLBACK_PATH = '/websub/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
