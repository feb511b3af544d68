import type { ListOperation } from '../history.js';

/** Values of a long list that are shown. */
const SHOWN = 6;

export function describe(operation: ListOperation): string {
  const steps = operation.steps.map((step) => {
    if (step.do === 'append') return `append ${step.key} ${step.value}`;
    if (step.values === null) return `read ${step.key}`;
    const { length } = step.values;
    const shown = length > SHOWN ? `${length} values, …${step.values.slice(-SHOWN)}` : step.values.join();
    return `read ${step.key} [${shown}]`;
  });
  const { outcome, process, invoked, completed, error } = operation;
  const told = error === undefined ? '' : `, ${error}`;
  return `{${steps.join('; ')}} (${outcome}, process ${process}, ${invoked}-${completed}${told})`;
}
