import { appendFileSync } from 'node:fs';
import type { Test } from 'tap';
import { type Flavor, forEachServer } from '../support/servers.js';
import type { TlsRow } from './cells.js';
import { cellsOf, FreshNames, judge, type Result, runCells } from './matrix.js';
import { reportLines } from './report.js';
import { type Station, TRANSPORTS, World } from './world.js';

export const NO_TLS: TlsRow = { name: 'no TLS', options: null, certified: false };

export interface MatrixPart {
  readonly flavor: Flavor;
  readonly byChange: boolean;
  readonly stations: (world: World) => Promise<readonly Station[]>;
  readonly tlsRows: (station: Station) => readonly TlsRow[];
}

/** Where `npm run matrix` wants the tables to be written. */
export const REPORT_VARIABLE = 'TEST_MATRIX_REPORT';

function print(lines: readonly string[]): void {
  const path = process.env[REPORT_VARIABLE];
  if (path !== undefined) appendFileSync(path, `${lines.join('\n')}\n`);
}

/** Runs one part of the matrix, prints it, and looks for secrets in what the proxies have logged. */
export async function testMatrix(t: Test, part: MatrixPart): Promise<void> {
  const { flavor, byChange } = part;
  await forEachServer(
    t,
    async (t, server) => {
      const world = await World.make(t, server);
      for (const station of await part.stations(world)) {
        const cells = cellsOf(flavor, station, TRANSPORTS, part.tlsRows(station), byChange);
        const results: readonly Result[] = await runCells(cells, station, new FreshNames());
        const title = `${flavor}, ${station.name}, ${byChange ? 'COM_CHANGE_USER' : 'login'}`;
        const lines = reportLines(title, results);
        print(lines);
        await t.test(title, async (t) => {
          for (const line of lines) t.comment(line);
          judge(t, results);
          t.same(world.secrets.in(station.proxy.logs.join('\n')), [], 'no secret is in the log');
        });
      }
    },
    { flavors: [flavor], timeout: 240_000 },
  );
}
