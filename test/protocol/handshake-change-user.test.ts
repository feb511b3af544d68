import t from 'tap';
import { Capability, Command } from '../../src/protocol/constants.js';
import { CLIENT_CAPABILITIES } from '../../src/protocol/handshake-capabilities.js';
import { decodeChangeUser } from '../../src/protocol/handshake-change-user.js';
import { MalformedPacketError } from '../../src/protocol/payload-reader.js';
import { fc } from '../support/properties.js';
import { encodeAttributes } from './support/client-side.js';

const auth = Buffer.from('0123456789abcdefghij');
const head = Buffer.concat([Buffer.of(Command.ChangeUser), Buffer.from('other\0'), Buffer.of(20), auth]);
const full = Buffer.concat([
  head,
  Buffer.from('shop\0'),
  Buffer.of(0x2f, 0x01),
  Buffer.from('mysql_native_password\0'),
  encodeAttributes([['program_name', 'test']]),
]);

t.test('all fields', async (t) => {
  const read = decodeChangeUser(full, CLIENT_CAPABILITIES, 45);
  t.same(
    { ...read, attributes: [...read.attributes] },
    {
      user: 'other',
      authResponse: auth,
      schema: 'shop',
      collation: 303,
      plugin: 'mysql_native_password',
      attributes: [['program_name', 'test']],
    },
  );
});

t.test('the short forms of older clients', async (t) => {
  const noSchema = decodeChangeUser(Buffer.concat([head, Buffer.of(0)]), CLIENT_CAPABILITIES, 45);
  t.match(noSchema, { user: 'other', schema: null, collation: null, plugin: null });
  t.equal(noSchema.attributes.size, 0);
  const old =
    CLIENT_CAPABILITIES & ~(Capability.SecureConnection | Capability.PluginAuth | Capability.ConnectAttrs);
  const nulTerminated = decodeChangeUser(Buffer.from('\x11other\0hash\0shop\0'), old, 45);
  t.equal(nulTerminated.authResponse.toString(), 'hash');
  t.equal(nulTerminated.schema, 'shop');
});

t.test('names: in the collation given, else in the current one', async (t) => {
  const payload = Buffer.from('\x11jos\xe9\0\0\0', 'latin1');
  t.equal(decodeChangeUser(payload, CLIENT_CAPABILITIES, 8).user, 'josé');
  const given = Buffer.concat([payload, Buffer.of(8, 0)]);
  t.equal(decodeChangeUser(given, CLIENT_CAPABILITIES, 45).user, 'josé');
});

t.test('cuts and random bytes are read or malformed', async (t) => {
  for (let length = 1; length < head.length + 5; length++) {
    t.throws(() => decodeChangeUser(full.subarray(0, length), CLIENT_CAPABILITIES, 45), MalformedPacketError);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decodeChangeUser(Buffer.from(bytes), CLIENT_CAPABILITIES, 45);
      } catch (error) {
        return error instanceof MalformedPacketError;
      }
      return true;
    }),
    { numRuns: 2_000 },
  );
});
