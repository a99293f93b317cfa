/** Placeholders in a request for the callback's path and for the topic. */
export const CALLBACK = '/CALLBACK';
export const TOPIC = 'TOPIC';

const FORM = 'application/x-www-form-urlencoded';

/** Requests as raw bytes for a socket. */
export const REQUESTS = [
  `POST ${CALLBACK} HTTP/1.1\r\nHost: me\r\nContent-Type: application/atom+xml\r\nX-Hub-Signature: sha256=${'0'.repeat(64)}\r\n` +
    `Link: <https://hub.example/>; rel=hub\r\nContent-Length: 5\r\n\r\n<a/>\n`,
  `GET ${CALLBACK}?hub.mode=subscribe&hub.topic=${TOPIC}&hub.challenge=abc%2B&hub.lease_seconds=864000 HTTP/1.1\r\nHost: me\r\n\r\n`,
  `GET ${CALLBACK}?hub.mode=denied&hub.topic=${TOPIC}&hub.reason=no%0Amore HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n`,
  `GET ${CALLBACK}?hub.mode=hub-error&hub.reason=x HTTP/1.0\r\n\r\n`,
  `HEAD ${CALLBACK} HTTP/1.1\r\nHost: me\r\n\r\n`,
  `OPTIONS * HTTP/1.1\r\nHost: me\r\n\r\nDELETE ${CALLBACK} HTTP/1.1\r\nHost: me\r\n\r\n`,
  `POST ${CALLBACK} HTTP/1.1\r\nHost: me\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\nContent-Type: ${FORM}\r\n\r\n` +
    '5\r\na=b&c\r\n0\r\n\r\n',
  `POST ${CALLBACK} HTTP/1.1\r\nHost: me\r\nExpect: 100-continue\r\nContent-Length: 0\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`,
  'GET /websub/%00%2e%2e/x?y#z HTTP/1.1\r\nHost: [::1]:99999\r\nCookie: a=b\r\n\r\n',
];
