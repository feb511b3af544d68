import { execFile } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { projectFolder } from '../clients/conformance.js';

/* The CI's look at known vulnerabilities, with an npm that reports what the test wants. */

interface Allowed {
  readonly advisory: string;
  readonly package: string;
  readonly reason: string;
  readonly expires: string;
}

const FOUND = {
  auditReportVersion: 2,
  vulnerabilities: {
    leaky: {
      name: 'leaky',
      via: [
        {
          source: 1_234,
          name: 'leaky',
          title: 'Leaks',
          url: 'https://github.com/advisories/GHSA-aaaa-bbbb-cccc',
          severity: 'high',
        },
      ],
    },
    user: { name: 'user', via: ['leaky'] },
  },
  metadata: { dependencies: { prod: 33, total: 33 } },
};
const NOTHING = { ...FOUND, vulnerabilities: {} };
const ALLOWED: Allowed = {
  advisory: 'GHSA-aaaa-bbbb-cccc',
  package: 'leaky',
  reason: 'is never called',
  expires: '2999-12-31',
};
const LEAKS = 'leaky: Leaks (high, https://github.com/advisories/GHSA-aaaa-bbbb-cccc)';

function audit(
  t: Test,
  report: unknown,
  allowed: readonly object[] = [],
): Promise<{ code: number; lines: string[] }> {
  const folder = t.testdir({
    npm: `#!/bin/sh\ncat <<'END'\n${typeof report === 'string' ? report : JSON.stringify(report)}\nEND\nexit 1\n`,
    'allowed.json': JSON.stringify(allowed),
  });
  chmodSync(join(folder, 'npm'), 0o755);
  const env = {
    ...process.env,
    PATH: `${folder}:${process.env['PATH'] ?? ''}`,
    MYBOUNCER_AUDIT_ALLOWED: join(folder, 'allowed.json'),
  };
  return new Promise((resolve) => {
    execFile(process.execPath, [join(projectFolder(), '.ci/audit.mjs')], { env }, (error, stdout) => {
      resolve({ code: error === null ? 0 : Number(error.code), lines: stdout.trim().split('\n') });
    });
  });
}

t.test('nothing is found', async (t) => {
  t.same(await audit(t, NOTHING), {
    code: 0,
    lines: ['audit: 0 advisories for the 33 packages that the program is run with'],
  });
});

t.test('what is found fails, unless it is allowed for now', async (t) => {
  const counted = 'audit: 1 advisories for the 33 packages that the program is run with';
  t.same(await audit(t, FOUND), { code: 1, lines: [counted, `audit: FAILED: ${LEAKS}`] });
  t.same(await audit(t, FOUND, [ALLOWED]), {
    code: 0,
    lines: [`audit: ${LEAKS} is allowed until 2999-12-31: is never called`, counted],
  });
  t.same(await audit(t, FOUND, [{ ...ALLOWED, expires: '2020-01-01' }]), {
    code: 1,
    lines: [counted, `audit: FAILED: ${LEAKS}, allowed until 2020-01-01: is never called`],
  });
  t.equal((await audit(t, FOUND, [{ ...ALLOWED, package: 'other' }])).code, 1, 'of another package');
});

t.test('the list itself', async (t) => {
  const { code, lines } = await audit(t, NOTHING, [ALLOWED]);
  t.equal(code, 0);
  t.ok(lines.includes('audit: GHSA-aaaa-bbbb-cccc (leaky) is no longer found, and need not be allowed'));
  for (const key of ['advisory', 'package', 'reason', 'expires']) {
    const lacking = await audit(t, NOTHING, [{ ...ALLOWED, [key]: ' ' }]);
    t.equal(lacking.code, 1, key);
    t.match(lacking.lines.join('\n'), `FAILED: an allowed advisory lacks its ${key}`);
  }
  t.equal((await audit(t, FOUND, [{ ...ALLOWED, expires: 'never' }])).code, 1, 'it has to end');
});

t.test('a registry without audits is named and is no failure; any other failure is one', async (t) => {
  const refusal = {
    message: '405 Method Not Allowed - POST https://mirror.example/-/npm/v1',
    statusCode: 405,
  };
  t.same(await audit(t, refusal), {
    code: 0,
    lines: [`audit: not done: the registry has no audit endpoint (${refusal.message})`],
  });
  for (const [report, text] of [
    [{ message: '503 Service Unavailable', statusCode: 503 }, '503 Service Unavailable'],
    [{ error: { code: 'ENOTFOUND', summary: 'getaddrinfo ENOTFOUND' } }, 'getaddrinfo ENOTFOUND'],
    ['no report', 'npm audit gave no report'],
  ] as const) {
    const { code, lines } = await audit(t, report);
    t.equal(code, 1, text);
    t.match(lines.join('\n'), text);
  }
});
