/** Folder of the installed peers: beside the source of this file, because compiled files are deleted. */
export const PEERS = new URL('../../peers/', import.meta.url);
