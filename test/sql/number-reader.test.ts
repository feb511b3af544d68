import t from 'tap';
import { hexEnd } from '../../src/sql/number-reader.js';

/** Long enough to be looked at in larger steps, at any address and up to any end. */
const DIGITS = '0123456789abcdefABCDEF'.repeat(40);

t.test('hexadecimal digits end where the first other byte is', async (t) => {
  for (const offset of [0, 1, 2, 3]) {
    const buf = Buffer.alloc(offset + DIGITS.length + 8, DIGITS);
    buf.write(DIGITS, offset, 'latin1');
    for (let end = offset + DIGITS.length - 10; end <= offset + DIGITS.length; end++)
      if (hexEnd(buf, offset, end) !== end) t.fail(`${offset} to ${end}`);
    for (let at = offset; at < offset + 400; at++) {
      const digit = buf[at] as number;
      for (const other of [0, 0x2f, 0x3a, 0x40, 0x47, 0x60, 0x67, 0xb0, 0xff]) {
        buf[at] = other;
        if (hexEnd(buf, offset, buf.length - 8) !== at) t.fail(`${other} at ${at} from ${offset}`);
      }
      buf[at] = digit;
    }
  }
  t.pass('wherever it is');
});
