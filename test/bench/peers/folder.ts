/** Where the peers are installed: beside this file's source, since what is compiled is thrown away. */
export const PEERS = new URL('../../peers/', import.meta.url);
