import { appendFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import type { Test } from 'tap';
import { TestAuthority } from '../support/certificates.js';
import { type Flavor, forEachServer } from '../support/servers.js';
import type { TlsRow, TransportName } from './cells.js';
import { cellsOf, FreshNames, judge, type Result, runCells } from './matrix.js';
import { reportLines } from './report.js';
import { type Station, TRANSPORTS, World } from './world.js';

export const NO_TLS: TlsRow = { name: 'no TLS', options: null, certified: false };
/** Whatever client and proxy agree on. */
export const TLS: TlsRow = { name: 'TLS', options: {}, certified: false };

/** Certificates of clients: by the authority that the proxies know, and by another. */
export interface ClientCertificates {
  readonly ca: string;
  readonly good: ConnectionOptions;
  readonly foreign: ConnectionOptions;
}

export async function clientCertificates(t: Test): Promise<ClientCertificates> {
  const [ours, other] = [await TestAuthority.make(t), await TestAuthority.make(t, 'Another authority')];
  const [good, foreign] = [await ours.issue('a client'), await other.issue('a stranger')];
  return {
    ca: ours.certPath,
    good: { cert: good.cert, key: good.key },
    foreign: { cert: foreign.cert, key: foreign.key },
  };
}

/** Each way in which a client may do TLS. */
export function tlsRows({ good, foreign }: ClientCertificates): readonly TlsRow[] {
  return [
    NO_TLS,
    { name: 'TLS 1.2', options: { maxVersion: 'TLSv1.2' }, certified: false },
    { name: 'TLS 1.3', options: { minVersion: 'TLSv1.3' }, certified: false },
    { name: 'TLS, certificate', options: good, certified: true },
    { name: 'TLS, foreign certificate', options: foreign, certified: false },
  ];
}

export interface MatrixPart {
  readonly flavor: Flavor;
  readonly byChange: boolean;
  readonly stations: (world: World, certificates: ClientCertificates) => Promise<readonly Station[]>;
  readonly tlsRows: (certificates: ClientCertificates) => readonly TlsRow[];
  /** All that there are, unless given. */
  readonly transports?: readonly TransportName[];
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
      const certificates = await clientCertificates(t);
      const rows = part.tlsRows(certificates);
      for (const station of await part.stations(world, certificates)) {
        const cells = cellsOf(flavor, station, part.transports ?? TRANSPORTS, rows, byChange);
        const results: readonly Result[] = await runCells(cells, station, new FreshNames());
        const title = `${flavor}, ${station.name}, ${byChange ? 'COM_CHANGE_USER' : 'login'}`;
        const lines = reportLines(title, results);
        print(lines);
        await t.test(title, async (t) => {
          for (const line of lines) t.comment(line);
          judge(t, results);
          t.equal(station.proxy.exitCode, null, `the proxy is alive ${station.proxy.stderr.join('\n')}`);
          t.same(world.secrets.in(station.proxy.logs.join('\n')), [], 'no secret is in the log');
        });
      }
    },
    { flavors: [flavor], timeout: 240_000 },
  );
}
