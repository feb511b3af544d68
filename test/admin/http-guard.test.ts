import t from 'tap';
import { isForThisHost, isFromThisMachine, isSameOrigin } from '../../src/admin/http-guard.js';

t.test('names that are the proxy', async (t) => {
  const asked = (host: string | undefined, own = '127.0.0.1'): boolean =>
    isForThisHost({ headers: host === undefined ? {} : { host } }, own);
  for (const host of [
    '127.0.0.1:6034',
    '10.1.2.3',
    '[::1]:6034',
    '[fe80::1]',
    'localhost',
    'LOCALHOST:80',
    'shop.localhost:6034',
    undefined,
  ])
    t.ok(asked(host), String(host));
  for (const host of [
    'evil.example',
    'evil.example:6034',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '',
  ])
    t.notOk(asked(host), host);
  t.ok(asked('Db-Sidecar:6034', 'db-sidecar'), 'the name that is listened on');
  t.notOk(asked('db-sidecar.evil.example', 'db-sidecar'));
});

t.test('pages that may make a browser send something', async (t) => {
  const sent = (headers: Readonly<Record<string, string>>): boolean =>
    isSameOrigin({ headers: { host: 'localhost:6034', ...headers } });
  t.ok(sent({}), 'no browser');
  t.ok(sent({ origin: 'http://localhost:6034', 'sec-fetch-site': 'same-origin' }));
  t.ok(sent({ 'sec-fetch-site': 'none' }), 'typed by the user');
  for (const origin of ['null', 'http://evil.example', 'http://localhost:80', 'https://localhost:6034', ''])
    t.notOk(sent({ origin }), origin);
  for (const site of ['cross-site', 'same-site']) t.notOk(sent({ 'sec-fetch-site': site }), site);
});

t.test('peers on this machine', async (t) => {
  for (const [remoteAddress, localAddress] of [
    ['127.0.0.1', '127.0.0.1'],
    ['127.0.0.9', '127.0.0.1'],
    ['::1', '::1'],
    ['::ffff:127.0.0.1', '::ffff:127.0.0.1'],
    ['10.1.2.3', '10.1.2.3'],
    ['fe80::1', 'fe80::1'],
  ] as const)
    t.ok(isFromThisMachine({ remoteAddress, localAddress }), remoteAddress);
  for (const [remoteAddress, localAddress] of [
    ['10.1.2.4', '10.1.2.3'],
    ['::ffff:10.1.2.4', '::ffff:10.1.2.3'],
    ['fe80::2', 'fe80::1'],
  ] as const)
    t.notOk(isFromThisMachine({ remoteAddress, localAddress }), remoteAddress);
  t.notOk(isFromThisMachine({ remoteAddress: undefined }), 'gone');
});
