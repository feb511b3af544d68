import t from 'tap';
import { ServerError } from '../../src/protocol/constants.js';
import { encodeErrPacket, MAX_ERROR_MESSAGE, parseErr } from '../../src/protocol/generic-response.js';
import { clientError, encodeForClient, isOwnError } from '../../src/relay/client-errors.js';
import { toldTo } from '../support/own-error.js';
import { fc } from '../support/properties.js';

t.test('an error of our own ends with the id of its client, however long it is', (t) => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', maxLength: 600 }),
      fc.integer({ min: 1, max: 0x7fffffff }),
      (text, client) => {
        const err = clientError(ServerError.ConCount, text);
        const packet = encodeForClient(3, err, client);
        const told = parseErr(packet, 4, packet.length);
        const whole = toldTo(client, err.message);
        const id = ` (client ${client})`;
        if (Buffer.byteLength(whole) <= MAX_ERROR_MESSAGE) return told.message === whole;
        const kept = told.message.slice(0, -id.length);
        const bytes = Buffer.byteLength(told.message);
        return (
          told.message.endsWith(id) &&
          err.message.startsWith(kept) &&
          bytes <= MAX_ERROR_MESSAGE &&
          bytes > MAX_ERROR_MESSAGE - 4
        );
      },
    ),
  );
  t.end();
});

t.test("what the server says, or would say, is the server's", (t) => {
  for (const message of ['Access denied', 'mybouncer', `${'x'.repeat(600)} mybouncer: `]) {
    const err = { ...ServerError.AccessDenied, message };
    t.equal(isOwnError(err), false);
    t.strictSame(encodeForClient(1, err, 4711), encodeErrPacket(1, err));
  }
  t.end();
});
