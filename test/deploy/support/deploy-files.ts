import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { projectFolder } from '../../clients/conformance.js';

/** A file of deploy/, where the project is: it is not compiled to where the tests run. */
export function deployPath(name: string): string {
  return join(projectFolder(), 'deploy', name);
}

export function readDeployed(name: string): string {
  return readFileSync(deployPath(name), 'utf8');
}

/** Of one document; a mistake in the YAML is thrown. */
export function readYaml<T>(name: string): T {
  return parse(readDeployed(name)) as T;
}

/** @throws where a document is no YAML, or has a key twice */
export function parseDocuments(text: string): unknown[] {
  return parseAllDocuments(text).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    const value: unknown = document.toJS();
    return value === null ? [] : [value];
  });
}
