import t from 'tap';
import { Command } from '../../src/protocol/constants.js';
import { CommandEvent, CommandReader } from '../../src/relay/command-reader.js';
import { Habit, habitOf, isOneCommand, openerOf } from '../../src/relay/shared-socket.js';
import { packet } from '../support/packets.js';
import { fc } from '../support/properties.js';

const habit = (attributes: Record<string, string>): Habit => habitOf(new Map(Object.entries(attributes)));

t.test('who pipelines', async (t) => {
  // As the connectors introduce themselves.
  t.equal(habit({ _client_name: 'pymysql', _client_version: '1.0.2', _pid: '1' }), Habit.Never);
  t.equal(habit({ _client_name: 'libmysql' }), Habit.Never);
  t.equal(habit({ _client_name: 'mysqlnd', _server_host: '127.0.0.1' }), Habit.Never);
  t.equal(habit({ _client_name: 'mysql-connector-python' }), Habit.Never);
  t.equal(habit({ _client_name: 'libmariadb', _client_version: '3.3.14' }), Habit.Seldom);
  t.equal(habit({ _client_name: 'MariaDB Connector/J' }), Habit.Pipelines);
  t.equal(habit({ _client_name: 'MariaDB connector/Node' }), Habit.Pipelines);
  t.equal(habit({ _client_name: 'Go-MySQL-Driver' }), Habit.Pipelines);
  t.equal(habit({}), Habit.Pipelines, 'who says nothing may do anything');
});

t.test('who opened it', async (t) => {
  t.strictSame(openerOf(new Map()), { pid: null, program: null });
  const attributes = new Map([
    ['_client_name', 'pymysql'],
    ['_pid', '42'],
  ]);
  t.strictSame(openerOf(attributes), { pid: '42', program: 'pymysql' });
  attributes.set('program_name', 'shop');
  t.strictSame(openerOf(attributes), { pid: '42', program: 'shop' });
});

t.test('one command, no more and no less', async (t) => {
  const quit = packet(0, Buffer.of(Command.Quit));
  t.ok(isOneCommand(quit));
  t.ok(isOneCommand(packet(0, Buffer.from('\x03SELECT 1'))));
  t.notOk(isOneCommand(packet(1, Buffer.of(Command.Quit))), 'it continues something');
  t.notOk(isOneCommand(packet(0, Buffer.of(0x55))), 'no server knows it');
  t.notOk(isOneCommand(packet(0, Buffer.alloc(0))));
  t.notOk(isOneCommand(Buffer.concat([quit, quit])));
  for (let length = 0; length < quit.length; length++) t.notOk(isOneCommand(quit.subarray(0, length)));
});

t.test('what a packet lacks', async (t) => {
  const holds = fc.check(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 200 }),
      fc.array(fc.integer({ min: 1, max: 40 })),
      (payload, sizes) => {
        const bytes = packet(0, payload);
        const reader = new CommandReader();
        let at = 0;
        for (const size of [...sizes, bytes.length]) {
          const chunk = bytes.subarray(at, at + size);
          at += chunk.length;
          reader.push(chunk);
          for (let i = 0; i < at; i++) if (reader.peek(i) !== bytes[i]) return false;
          if (reader.peek(at) !== -1) return false;
          if (reader.lacking !== (at < 4 ? 0 : bytes.length - at)) return false;
        }
        return reader.next() === CommandEvent.Command && reader.lacking === 0 && reader.peek(0) === -1;
      },
    ),
  );
  t.equal(fc.defaultReportMessage(holds), undefined);
});
