import t from 'tap';
import { Capability } from '../../src/protocol/constants.js';
import { CLIENT_CAPABILITIES } from '../../src/protocol/handshake-capabilities.js';
import { GreetingTemplate } from '../../src/protocol/handshake-greeting.js';
import { fc } from '../support/properties.js';
import { parseGreeting } from './support/client-side.js';

t.test('what goes in comes out', async (t) => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 60, unit: 'grapheme' }).filter((text) => !text.includes('\0')),
      fc.nat(0xffffffff),
      fc.nat(0xffffffff),
      fc.nat(400),
      fc.uint8Array({ minLength: 20, maxLength: 20, min: 1 }),
      (versionText, capabilities, id, collation, scramble) => {
        const template = new GreetingTemplate({
          versionText,
          capabilities,
          collation,
          status: 2,
          plugin: 'caching_sha2_password',
        });
        // Twice: a client's greeting must leave no trace in the template.
        template.packet(1, Buffer.alloc(20, 0x7f));
        const packet = template.packet(id, Buffer.from(scramble));
        const parsed = parseGreeting(packet.subarray(4));
        t.equal(packet.readUIntLE(0, 3), packet.length - 4);
        t.equal(packet[3], 0);
        t.same(parsed, {
          protocolVersion: 10,
          versionText,
          connectionId: id,
          scramble: Buffer.from(scramble),
          capabilities,
          collation: collation & 0xff,
          status: 2,
          scrambleLength: 21,
          filler: Buffer.alloc(6),
          extended: Buffer.alloc(4),
          plugin: 'caching_sha2_password',
        });
        t.equal(packet.at(-1), 0, 'the plugin name ends in NUL');
      },
    ),
    { numRuns: 50 },
  );
});

t.test('clients are offered what the relay carries, and nothing else', async (t) => {
  const offered = (flag: number): boolean => (CLIENT_CAPABILITIES & flag) !== 0;
  for (const flag of [
    Capability.Compress,
    Capability.Ssl,
    Capability.OptionalResultsetMetadata,
    Capability.ZstdCompression,
    Capability.QueryAttributes,
    Capability.MultiFactorAuth,
    Capability.RememberOptions,
  ]) {
    t.notOk(offered(flag), `flag 0x${flag.toString(16)}`);
  }
  t.ok(offered(Capability.LongPassword), 'without it MariaDB clients read extended capabilities');
  t.ok(offered(Capability.DeprecateEof));
  t.equal(CLIENT_CAPABILITIES, 0x01fff7df);
});
