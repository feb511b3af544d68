import t from 'tap';
import { Capability } from '../../src/protocol/constants.js';
import { CLIENT_CAPABILITIES } from '../../src/protocol/handshake-capabilities.js';
import { classifyLoginPacket, decodeHandshakeResponse } from '../../src/protocol/handshake-response.js';
import { MalformedPacketError } from '../../src/protocol/payload-reader.js';
import { fc } from '../support/properties.js';
import { encodeResponse, USUAL_CAPABILITIES } from './support/client-side.js';

const name = fc.string({ maxLength: 40, unit: 'grapheme' }).filter((text) => !text.includes('\0'));
const OPTIONAL = [
  Capability.ConnectWithDb,
  Capability.PluginAuth,
  Capability.ConnectAttrs,
  Capability.PluginAuthLenencClientData,
  Capability.FoundRows,
  Capability.DeprecateEof,
];

t.test('whatever a client may send is read back, under every set of capabilities', async (t) => {
  fc.assert(
    fc.property(
      fc.record({
        user: name,
        schema: name,
        plugin: name,
        auth: fc.uint8Array({ maxLength: 250 }),
        attributes: fc.dictionary(name, fc.string({ maxLength: 300 }), { maxKeys: 8 }),
        maxPacketSize: fc.nat(0xffffffff),
        flags: fc.subarray(OPTIONAL),
      }),
      (given) => {
        const capabilities = given.flags.reduce(
          (all, flag) => all | flag,
          Capability.Protocol41 | Capability.SecureConnection,
        );
        const has = (flag: number): boolean => (capabilities & flag) !== 0;
        const payload = encodeResponse({
          capabilities,
          maxPacketSize: given.maxPacketSize,
          collation: 45,
          user: given.user,
          authResponse: Buffer.from(given.auth),
          schema: given.schema,
          plugin: given.plugin,
          attributes: Object.entries(given.attributes),
        });
        const read = decodeHandshakeResponse(payload, CLIENT_CAPABILITIES);
        t.same(
          { ...read, attributes: [...read.attributes] },
          {
            capabilities,
            maxPacketSize: given.maxPacketSize,
            collation: 45,
            user: given.user,
            authResponse: Buffer.from(given.auth),
            schema: has(Capability.ConnectWithDb) && given.schema !== '' ? given.schema : null,
            plugin: has(Capability.PluginAuth) ? given.plugin : null,
            attributes: has(Capability.ConnectAttrs) ? Object.entries(given.attributes) : [],
          },
        );
      },
    ),
    { numRuns: 200 },
  );
});

t.test('flags that were not offered are dropped, and their fields are not looked for', async (t) => {
  const payload = encodeResponse({
    capabilities: USUAL_CAPABILITIES | Capability.Compress | Capability.RememberOptions,
    user: 'app',
  });
  const read = decodeHandshakeResponse(payload, CLIENT_CAPABILITIES);
  t.equal(read.capabilities, USUAL_CAPABILITIES);
});

t.test('the collation is one byte; both servers ignore the byte after it', async (t) => {
  const read = decodeHandshakeResponse(encodeResponse({ user: 'app', collation: 303 }), CLIENT_CAPABILITIES);
  t.equal(read.collation, 303 & 0xff);
});

t.test('names are in the character set that the packet announces', async (t) => {
  const user = Buffer.from('jos\xe9', 'latin1');
  t.equal(decodeHandshakeResponse(encodeResponse({ user, collation: 8 }), CLIENT_CAPABILITIES).user, 'josé');
  t.equal(
    decodeHandshakeResponse(encodeResponse({ user: 'josé', collation: 255 }), CLIENT_CAPABILITIES).user,
    'josé',
  );
});

t.test('fields that both servers let a client leave out at the end', async (t) => {
  const withAttributes = USUAL_CAPABILITIES | Capability.ConnectAttrs;
  const full = encodeResponse({ capabilities: withAttributes, user: 'app', plugin: 'caching_sha2_password' });
  const read = (payload: Buffer) => decodeHandshakeResponse(payload, CLIENT_CAPABILITIES);
  t.equal(read(full.subarray(0, -1)).plugin, 'caching_sha2_password', 'no attributes');
  t.equal(read(full.subarray(0, -2)).plugin, 'caching_sha2_password', 'no NUL behind the plugin name');
  t.equal(read(full.subarray(0, full.indexOf('caching_sha2'))).plugin, null, 'no plugin name');
});

t.test('every cut through a response is refused or read, never read past', async (t) => {
  const payload = encodeResponse({
    capabilities: USUAL_CAPABILITIES | Capability.ConnectWithDb | Capability.ConnectAttrs,
    user: 'application',
    authResponse: Buffer.alloc(32, 7),
    schema: 'shop',
    attributes: [['_pid', '4711']],
  });
  const afterSchema = payload.indexOf('shop') + 5;
  for (let length = 0; length < payload.length; length++) {
    const cut = payload.subarray(0, length);
    if (length < afterSchema)
      t.throws(() => decodeHandshakeResponse(cut, CLIENT_CAPABILITIES), MalformedPacketError);
  }
  t.same(decodeHandshakeResponse(payload.subarray(0, afterSchema), CLIENT_CAPABILITIES).schema, 'shop');
});

t.test('attributes beyond 64 KiB or with a key but no value', async (t) => {
  const capabilities = USUAL_CAPABILITIES | Capability.ConnectAttrs;
  const big = encodeResponse({ capabilities, user: 'app', attributes: [['a', 'x'.repeat(65_536)]] });
  t.throws(() => decodeHandshakeResponse(big, CLIENT_CAPABILITIES), /attributes over 64 KiB/);
  const odd = Buffer.concat([
    encodeResponse({ capabilities, user: 'app' }).subarray(0, -1),
    Buffer.of(2, 1, 0x61),
  ]);
  t.throws(() => decodeHandshakeResponse(odd, CLIENT_CAPABILITIES), MalformedPacketError);
});

t.test('kinds of first packets', async (t) => {
  t.equal(classifyLoginPacket(encodeResponse({ user: 'app' })), 'response41');
  const ssl = encodeResponse({ capabilities: USUAL_CAPABILITIES | Capability.Ssl, user: 'app' });
  t.equal(classifyLoginPacket(ssl.subarray(0, 32)), 'ssl_request');
  t.equal(classifyLoginPacket(ssl.subarray(0, 4)), 'ssl_request', 'the short one of Connector/J');
  t.equal(classifyLoginPacket(ssl), 'response41');
  t.equal(classifyLoginPacket(Buffer.from('\x05\x00\xff\xff\xffroot\0\0', 'latin1')), 'response320');
  t.throws(() => classifyLoginPacket(Buffer.of(1, 2, 3)), MalformedPacketError);
});

t.test('random bytes are a response or malformed, nothing else', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      try {
        const payload = Buffer.from(bytes);
        classifyLoginPacket(payload);
        decodeHandshakeResponse(payload, CLIENT_CAPABILITIES);
      } catch (error) {
        return error instanceof MalformedPacketError;
      }
      return true;
    }),
    { numRuns: 2_000 },
  );
});
