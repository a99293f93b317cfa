/** Feeds of each format, with the elements their readers look at. */
export const FEEDS = [
  `<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0"
    xmlns:yt="http://www.youtube.com/xml/schemas/2015" xml:base="/x"><title type="html">&lt;b>F&lt;/b></title>
    <link rel="hub" href="https://hub.example/"/><link rel="self" href="/feed"/><entry><id>1</id>
    <title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">a<b>c</b></div></title><link href="/e"/><yt:videoId>v</yt:videoId>
    <author><name>A</name><uri>/a</uri></author><updated>2026-01-01T00:00:00Z</updated><content type="html"><![CDATA[<p>]]></content>
    </entry><at:deleted-entry ref="2" when="2026-01-01T00:00:00Z"><at:by><name>B</name></at:by><link href="/d"/></at:deleted-entry></feed>`,
  `<!DOCTYPE rss [<!ENTITY a "b">]><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:atom="http://www.w3.org/2005/Atom">
    <channel><title>F</title><atom:link rel="hub self" href="https://hub.example/"/>
    <managingEditor>a@example.com (A)</managingEditor><item><guid isPermaLink="true">https://a.example/</guid><author>b@example.com</author>
    <dc:creator>C</dc:creator><pubDate>Sat, 07 Sep 2002 00:00:01 GMT</pubDate><enclosure url="u" length="1" type="t"/></item></channel></rss>`,
  `<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"><channel rdf:about="c"><items>
    <rdf:Seq><rdf:li rdf:resource="i"/></rdf:Seq></items></channel><item rdf:about="i"><title>T</title><link>/i</link></item></rdf:RDF>`,
  `{"version":"https://jsonfeed.org/version/1.1","title":"F","feed_url":"/feed","hubs":[{"type":"WebSub","url":"https://hub.example/"}],
    "authors":[{"name":"A"}],"items":[{"id":"1","url":"/e","title":"T","date_published":"2026-01-01T00:00:00Z","tags":["a"],
    "_x":{"y":[1,null]}},{"id":2,"external_url":"https://b.example/"}]}`,
];

export const PAGES = [
  `<!doctype html><html><head><meta charset="utf-8"><base href="/b/"><title>T</title><link rel="hub" href="https://hub.example/">
    <link rel=self href=feed><link rel="alternate" type="application/atom+xml" href="/atom"><script>"<link rel=hub href=x>"</script>
    </head><body><p>a <b>c</p><svg><title/></svg><!-- <link rel="hub" href="y"> --><a href="z">z</a></body></html>`,
  `<LINK REL='HUB SELF' HREF=//hub.example/><textarea><link rel=hub href=x></textarea><table><td>`,
];

export const LINK_HEADERS = [
  '<https://hub.example/>; rel="hub", </feed>; rel=self; title="a, b"; type="text/html"',
  '<https://hub.example/a,b;c>; rel="x hub"; anchor="/y", <u> rel="hub"',
  `</f>; rel*=utf-8''self; title*=UTF-8''%E2%82%AC, "<https://hub.example/>"; rel='hub'`,
];

export const HEADERS = [
  'text/html; charset="utf-8"',
  'application/atom+xml;charset=ISO-8859-1; type=feed',
  'multipart/form-data; boundary="a;b\\"c"',
  'gzip, br',
  '120',
  'Wed, 21 Oct 2026 07:28:00 GMT',
  `sha256=${'ab'.repeat(32)}, sha1=${'CD'.repeat(20)}`,
];

export const QUERIES = [
  'hub.mode=subscribe&hub.topic=https%3A%2F%2Fexample.com%2Ffeed%3Fa%3D1%26b%3D2&hub.challenge=abc%2B%2F%3D&hub.lease_seconds=864000',
  'x=y&hub.mode=denied&hub.topic=https://example.com/caf%C3%A9?q=1&r=2&hub.reason=no+more%21',
  'hub.mode=unsubscribe&hub.mode=subscribe&hub.verify_token=t&hub.topic=urn:x&hub.challenge=',
  'hub.mode=hub-error&hub.reason=%E9%00',
];

export const DATES = [
  '2026-01-02T03:04:05.678+01:00',
  'Sat, 07 Sep 2002 00:00:01 GMT',
  'Saturday, 07-Sep-02 00:00 EST (x)',
  '2026-01',
];

export const CRON_EXPRESSIONS = ['0 * * * *', '*/10 1-5 1,15 * mon-fri', '30 0 3 29 2 *', '@daily'];

export const TEXTS = [
  'a secret &amp; %73ecret \\u0073ecret &#115;ecret "sec ret"',
  '<p>one<br/>two &lt;b&gt; &nbsp; <script>x</script><a href="y">z</a>',
  'https://user:password@hub.example:8443/p?q#f',
];

/** Records as a store contains them. */
export const RECORDS = [
  `{"v":2,"data":{"record":{"id":"s","service":"News","target":"https://example.com/feed","declared":true,"desired":"subscribed",
    "createdAt":1,"attempts":0,"hubs":["https://hub.example/"],"passedOver":[],"gapSince":5,"fetched":{"topic":"https://example.com/feed"},
    "grants":[{"id":"g","advertisedHub":"https://hub.example/","hub":"https://hub.example/","hubSettled":true,
    "topic":"https://example.com/feed","callback":"https://me.example/websub/x","path":"x","state":"active","secrets":[{"value":"s",
    "role":"current"}],"attempts":0,"verifiedAt":1,"expiresAt":2,"renewsAt":3}]},"stats":{"received":1}}}`,
  `{"v":1,"data":{"record":{"id":"s","service":"News","target":{"hub":"h","topic":"t"},"desired":"subscribed","createdAt":1,
    "attempts":0,"hubs":[],"passedOver":[],"hold":"denied","grants":[{"id":"g","state":"denied","secrets":[]}]},"stats":{"received":1}}}`,
  `{"v":1,"data":{"id":"e","service":"News","subscriptionId":"s","grantId":"g","receivedAt":1,"position":2,
    "headers":[["content-type","text/plain"]],"raw":{"$bytes":"YQ=="},"attempts":1,"nextAttemptAt":3,"errors":[{"message":"m","at":1}],
    "source":"poll","only":["k"],"isPing":true}}`,
  '{"v":1,"data":{"at":1,"version":"v","updated":2,"isOld":true}}',
];
