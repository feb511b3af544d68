import { readDeployed } from './deploy-files.js';

export interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly legendFormat: string;
  readonly datasource: { readonly type: string; readonly uid: string };
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly Target[];
}

export interface Variable {
  readonly name: string;
  readonly type: string;
  readonly definition?: string;
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly Variable[] };
}

export const DASHBOARD_FILE = 'grafana/mybouncer.json';

export function dashboard(): Dashboard {
  return JSON.parse(readDeployed(DASHBOARD_FILE)) as Dashboard;
}

export interface Query extends Target {
  readonly panel: string;
}

export function queries(): readonly Query[] {
  return dashboard().panels.flatMap(({ title, targets = [] }) =>
    targets.map((target) => ({ ...target, panel: title })),
  );
}

/** The expression as Grafana sends it. */
export function filledIn(expr: string, values: Readonly<Record<string, string>>): string {
  return expr.replaceAll(/\$\{?(\w+)\}?/g, (variable, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`an unknown variable: ${variable}`);
    return value;
  });
}
