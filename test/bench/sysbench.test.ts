import t from 'tap';
import { parseSysbench } from './sysbench.js';

/** Printed by sysbench 1.0.20 with a checkpoint after one of three seconds; histogram shortened. */
const OUTPUT = `sysbench 1.0.20 (using system LuaJIT 2.1.0-beta3)

Threads started!

[ 1s ] Checkpoint report:
SQL statistics:
    queries performed:
        read:                            31376
        write:                           0
        other:                           0
        total:                           31376
    transactions:                        31376  (31360.49 per sec.)
    queries:                             31376  (31360.49 per sec.)
    ignored errors:                      7      (7.00 per sec.)
    reconnects:                          3      (3.00 per sec.)

General statistics:
    total time:                          1.0002s
    total number of events:              31376

Latency (ms):
         min:                                    0.04
         avg:                                    4.15
         max:                                  242.10
         95th percentile:                        9.06
         sum:                               126161.60

Latency histogram (values are in milliseconds)
       value  ------------- distribution ------------- count
       0.031 |*****                                    50
       0.032 |****************************************  45
      10.651 |                                         4
     303.330 |                                         1
 
SQL statistics:
    queries performed:
        read:                            81901
        write:                           0
        other:                           0
        total:                           81901
    transactions:                        81901  (40418.46 per sec.)
    queries:                             81901  (40418.46 per sec.)
    ignored errors:                      2      (1.00 per sec.)
    reconnects:                          1      (0.50 per sec.)

General statistics:
    total time:                          3.0314s
    total number of events:              81901

Latency (ms):
         min:                                    0.03
         avg:                                    3.83
         max:                                  305.74
         95th percentile:                        7.98
         sum:                               257315.70
`;

t.test('reads what came after the warm-up', async (t) => {
  t.match(parseSysbench(OUTPUT), {
    rate: 40418.46,
    totalQueries: 31376 + 81901,
    p50: 0.031,
    p95: 0.032,
    p99: 10.651,
    max: 305.74,
    errors: 1,
    conflicts: 2,
  });
});

t.test('says what sysbench complained of when there is no result', async (t) => {
  const output = `FATAL: unable to connect to MySQL server on host '127.0.0.1', port 1, aborting...
FATAL: error 2003: Can't connect
FATAL: error 2003: Can't connect
`;
  t.throws(() => parseSysbench(output), { code: 'sysbench_output', message: /error 2003: Can't connect/ });
});
