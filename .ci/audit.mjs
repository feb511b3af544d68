#!/usr/bin/env node
// Looks for known vulnerabilities in what the program is run with (not in what it is developed with), and fails where there is
// one that audit-allowed.json does not name, or no longer allows:
//
//   [{ "advisory": "GHSA-...", "package": "name", "reason": "why it does not matter here", "expires": "2027-01-31" }]
//
// A registry without an audit endpoint (a mirror, mostly) cannot be asked: that is said, and is no failure.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const allowedFile = process.env.MYBOUNCER_AUDIT_ALLOWED ?? new URL('audit-allowed.json', import.meta.url);
const today = new Date().toISOString().slice(0, 10);
/** No such address, not this method, not built: what a registry says that has no audits. */
const NO_ENDPOINT = [404, 405, 501];

const say = (text) => process.stdout.write(`audit: ${text}\n`);
const failures = [];

function readAllowed() {
  const entries = JSON.parse(readFileSync(allowedFile, 'utf8'));
  for (const entry of entries) {
    for (const key of ['advisory', 'package', 'reason', 'expires']) {
      if (typeof entry[key] !== 'string' || entry[key].trim() === '') {
        failures.push(`an allowed advisory lacks its ${key}: ${JSON.stringify(entry)}`);
      }
    }
    if (!/^\d{4}-\d{2}-\d{2}$/.test(entry.expires)) failures.push(`${entry.advisory} expires at no date (YYYY-MM-DD)`);
  }
  return entries;
}

/** Each advisory once, whichever packages it reaches us through. */
function advisories(report) {
  const found = new Map();
  for (const { via = [] } of Object.values(report.vulnerabilities)) {
    for (const cause of via) {
      if (typeof cause === 'string') continue; // another package of the report
      const id = /GHSA-[\w-]+/.exec(cause.url ?? '')?.[0] ?? String(cause.source);
      found.set(`${id} ${cause.name}`, { id, ...cause });
    }
  }
  return [...found.values()];
}

function judge(report, allowed) {
  const found = advisories(report);
  for (const { id, name, severity, title, url } of found) {
    const text = `${name}: ${title} (${severity}, ${url ?? id})`;
    const entry = allowed.find((one) => one.advisory === id && one.package === name);
    if (entry === undefined) failures.push(text);
    else if (entry.expires < today) failures.push(`${text}, allowed until ${entry.expires}: ${entry.reason}`);
    else say(`${text} is allowed until ${entry.expires}: ${entry.reason}`);
  }
  for (const { advisory, package: name } of allowed) {
    if (!found.some(({ id, name: other }) => id === advisory && other === name)) {
      say(`${advisory} (${name}) is no longer found, and need not be allowed`);
    }
  }
  const { total, prod } = report.metadata.dependencies;
  say(`${found.length} advisories for the ${prod ?? total} packages that the program is run with`);
}

const { error, stdout, stderr } = spawnSync('npm', ['audit', '--omit=dev', '--package-lock-only', '--json'], {
  encoding: 'utf8',
  maxBuffer: 64 * 1024 * 1024,
});
let report = null;
try {
  report = JSON.parse(stdout);
} catch {
  failures.push(`npm audit gave no report: ${error?.message ?? stderr}`);
}
const allowed = readAllowed();
if (report?.vulnerabilities !== undefined) judge(report, allowed);
else if (NO_ENDPOINT.includes(report?.statusCode)) {
  say(`not done: the registry has no audit endpoint (${report.message})`);
} else if (report !== null) {
  failures.push(`npm audit failed: ${report.error?.summary || report.message || JSON.stringify(report)}`);
}
for (const failure of failures) say(`FAILED: ${failure}`);
process.exitCode = failures.length === 0 ? 0 : 1;
