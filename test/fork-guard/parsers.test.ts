import t from 'tap';
import { hidepidOf } from '../../src/fork-guard/capabilities.js';
import { addressHex, tcpEndpoint } from '../../src/fork-guard/endpoint.js';
import { parseStat } from '../../src/fork-guard/process-stat.js';
import { parseTcpTable } from '../../src/fork-guard/tcp-table.js';
import { parseSs } from '../../src/fork-guard/unix-peers.js';

t.test('addresses', async (t) => {
  t.equal(addressHex('127.0.0.1'), '7f000001');
  t.equal(addressHex('::ffff:127.0.0.1'), '7f000001', 'one address, however it is written');
  t.equal(addressHex('::1'), `${'0'.repeat(31)}1`);
  t.equal(addressHex('fe80::a:B%eth0'), `fe80${'0'.repeat(20)}000a000b`);
  t.equal(addressHex('2001:db8:1:2:3:4:5:6'), '20010db8000100020003000400050006');
  t.equal(addressHex('64:ff9b::1.2.3.4'), '0064ff9b000000000000000001020304');
  t.equal(addressHex('::'), '0'.repeat(32));
  for (const bad of ['', 'localhost', '1.2.3', '1.2.3.256', '1:2:3', '1:2:3:4:5:6:7:8:9', ':::1', '12345::'])
    t.equal(addressHex(bad), null, bad);
  t.equal(tcpEndpoint('::ffff:10.0.0.2', 40_000, 6_033), '0a000002:40000>6033');
});

const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1791 00000000:0000 0A 00000000:00000000 00:00000000 00000000   102        0 7001 1 0000000000000000 100 0 0 10 0
   1: 0100007F:9C40 0100007F:1791 01 00000000:00000000 00:00000000 00000000     0        0 7002 1 0000000000000000 20 4 0 10 -1
   2: 0100007F:1791 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 7003 1 0000000000000000 20 4 0 10 -1
   3: 0100007F:9C41 0100007F:1791 06 00000000:00000000 03:000015C7 00000000     0        0 0 3 0000000000000000
   4: 0200000A:9C42 0300000A:1791 08 00000000:00000000 00:00000000 00000000     0        0 7004 1 0000000000000000 20 4 0 10 -1
   5: 0100007F:9C43 0100007F:0CEA 01 00000000:00000000 00:00000000 00000000     0        0 7005 1 0000000000000000 20 4 0 10 -1
`;
const TABLE6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0000000000000000FFFF00000100007F:9C44 0000000000000000FFFF00000100007F:1791 01 00000000:00000000 00:00000000 00000000     0        0 7006 1 0000000000000000 20 4 0 10 -1
   1: 00000000000000000000000001000000:9C45 00000000000000000000000001000000:1791 01 00000000:00000000 00:00000000 00000000     0        0 7007 1 0000000000000000 20 4 0 10 -1
`;

t.test('tables of connections', async (t) => {
  const parse = (text: string, own: boolean): Record<string, string> => {
    const endpoints = new Map<string, string>();
    parseTcpTable(text, new Set([6_033]), own, endpoints);
    return Object.fromEntries(endpoints);
  };
  const far = { '7004': '0a000002:40002>6033' };
  t.same(parse(TABLE, true), { '7002': '7f000001:40000>6033', ...far }, 'only clients, and only of ours');
  t.same(parse(TABLE, false), far, "another namespace's loopback is none of ours");
  t.same(parse(TABLE6, true), {
    '7006': '7f000001:40004>6033',
    '7007': `${'0'.repeat(31)}1:40005>6033`,
  });
  t.same(parse('', true), {});
  t.same(parse('nonsense\n1 2 3', true), {});
});

const SS = `u_str ESTAB 0      0      /tmp/a socket 12 * 34 100 * 101
u_str ESTAB 0      0      * 101 /tmp/a socket 12 * 34 100
u_str ESTAB 0      0      @abstract 200 * 201
u_dgr UNCONN 0     0      * 300 * 0
`;

t.test('ends of unix sockets', async (t) => {
  const peers = parseSs(SS);
  t.equal(peers.get('101'), 'unix:100', "the client, by the proxy's end");
  t.equal(peers.get('100'), 'unix:101');
  t.equal(peers.get('201'), 'unix:200');
  t.equal(peers.get('300'), undefined, 'not connected');
  t.same(parseSs(''), new Map());
});

const stat = (name: string, flags: number, exitSignal: number): string =>
  `4711 (${name}) S 42 4711 4711 0 -1 ${flags} 10 0 0 0 7 3 0 0 20 0 1 0 2377969 18665472 2636 18446744073709551615 ` +
  `1 1 140723517341632 0 0 0 0 0 0 0 0 0 ${exitSignal} 1 0 0 0 0 0 0 0 0 0 0 0 0 0`;

t.test('lines of processes', async (t) => {
  t.same(parseStat(stat('python3', 0x400040, 17)), {
    name: 'python3',
    state: 'S',
    parent: 42,
    isThread: false,
    forkedOnly: true,
    cpuTicks: 10,
    startTicks: 2_377_969,
    stackStart: '140723517341632',
  });
  t.match(parseStat(stat('a) S 1 (b', 0x400000, -1)), {
    name: 'a) S 1 (b',
    parent: 42,
    isThread: true,
    forkedOnly: false,
  });
  t.equal(parseStat(''), null);
  t.equal(parseStat('4711 (python3) S 42'), null);
});

t.test('hidden processes', async (t) => {
  const mounts = (options: string): string => `sysfs /sys sysfs rw 0 0\nproc /proc proc ${options} 0 0\n`;
  t.equal(hidepidOf(mounts('rw,nosuid,relatime')), null);
  t.equal(hidepidOf(mounts('rw,relatime,hidepid=2,gid=4')), '2');
  t.equal(hidepidOf(mounts('hidepid=invisible')), 'invisible');
  t.equal(hidepidOf(mounts('rw,hidepid=0')), null);
  t.equal(hidepidOf(''), null);
});
