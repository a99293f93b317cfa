/** The one path that a server of a single callback knows: as long as this package's. */
export const CALLBACK_PATH = '/websub/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
