import type { Difference } from './execution.js';
import type { Operation, Parameter, Plan, Step } from './model.js';

/** Lines of a result that are shown around a difference; there may be hundreds of variables. */
const CONTEXT_LINES = 12;

/** Of clients other than the one that saw it, where a plan could not be made short. */
const LAST_STEPS_OF_OTHERS = 25;

/** The steps in order, as they may be typed, and what each side answered to the last one. */
export function reportDifference(plan: Plan, difference: Difference): string {
  const { at } = difference;
  const steps = plan.steps
    .slice(0, at + 1)
    .filter((step, i) => step.client === difference.step.client || i > at - LAST_STEPS_OF_OTHERS)
    .map((step) => `  ${stepText(plan, step)}`);
  const { direct, proxied } = onlyDifferent(difference);
  return [
    ...steps,
    '  direct:',
    ...direct.map((line) => `    ${line}`),
    '  through the proxy:',
    ...proxied.map((line) => `    ${line}`),
  ].join('\n');
}

function stepText(plan: Plan, { client, kind, operation, race }: Step): string {
  return `client ${client} (${plan.styles[client]})${race ? '*' : ' '} ${operationText(operation)}    -- ${kind}`;
}

export function operationText(operation: Operation): string {
  switch (operation.do) {
    case 'query':
      return `${operation.sql};${operation.infile === undefined ? '' : ` [file ${JSON.stringify(operation.infile)}]`}`;
    case 'init_db':
      return `[COM_INIT_DB ${operation.schema}]`;
    case 'set_option':
      return `[COM_SET_OPTION multi-statements ${operation.multiStatements ? 'on' : 'off'}]`;
    case 'reset':
      return '[COM_RESET_CONNECTION]';
    case 'ping':
      return '[COM_PING]';
    case 'change_user':
      return `[COM_CHANGE_USER to schema ${operation.schema}]`;
    case 'reconnect':
      return `[reset, connect anew, schema '${operation.schema}']`;
    case 'prepare':
      return `[COM_STMT_PREPARE ${operation.name}] ${operation.sql};`;
    case 'execute': {
      const how = `${operation.cursor === true ? ', cursor' : ''}${operation.withoutTypes === true ? ', no types' : ''}`;
      return `[COM_STMT_EXECUTE ${operation.name} (${operation.values.map(parameterText).join(', ')})${how}]`;
    }
    case 'fetch':
      return `[COM_STMT_FETCH ${operation.name}, ${operation.rows} rows]`;
    case 'long_data':
      return `[COM_STMT_SEND_LONG_DATA ${operation.name}, parameter ${operation.parameter}: ${operation.data}]`;
    case 'statement_reset':
      return `[COM_STMT_RESET ${operation.name}]`;
    case 'close':
      return `[COM_STMT_CLOSE ${operation.name}]`;
  }
}

function parameterText(value: Parameter): string {
  if (typeof value === 'bigint') return `${value}n`;
  return JSON.stringify(value);
}

/** Long results are cut down to the lines that only one side has. */
function onlyDifferent({ direct, proxied }: Difference): Pick<Difference, 'direct' | 'proxied'> {
  if (direct.length <= CONTEXT_LINES && proxied.length <= CONTEXT_LINES) return { direct, proxied };
  const without = (lines: readonly string[], others: readonly string[]): string[] => {
    const known = new Set(others);
    const own = lines.filter((line) => !known.has(line));
    const shown = own.slice(0, CONTEXT_LINES);
    return [...shown, `(${lines.length} lines, ${own.length} of them only here)`];
  };
  return { direct: without(direct, proxied), proxied: without(proxied, direct) };
}
