import { readYaml } from './deploy-files.js';

export interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface AlertingRule extends Rule {
  readonly alert: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export const RULES_FILE = 'prometheus/mybouncer-alerts.yaml';

export function rules(): readonly Rule[] {
  return readYaml<{ groups: { rules: Rule[] }[] }>(RULES_FILE).groups.flatMap((group) => group.rules);
}

export function alerts(): readonly AlertingRule[] {
  return rules().filter((rule): rule is AlertingRule => rule.alert !== undefined);
}
