import { parser } from '@prometheus-io/lezer-promql';

/** What a selector asks of the labels of a metric. */
export interface Matcher {
  readonly label: string;
  readonly operator: string;
  readonly value: string;
}

export interface Selector {
  readonly metric: string;
  readonly matchers: readonly Matcher[];
}

/** What an expression names. */
export interface PromqlNames {
  readonly selectors: readonly Selector[];
  /** Of by, without, on and ignoring. */
  readonly labels: readonly string[];
}

type SyntaxNode = ReturnType<typeof parser.parse>['topNode'];

/** @throws where it is no PromQL */
export function promqlNames(expression: string): PromqlNames {
  const text = ({ from, to }: SyntaxNode): string => expression.slice(from, to);
  const selectors: Selector[] = [];
  const labels: string[] = [];
  const visit = (node: SyntaxNode): void => {
    if (node.type.isError) throw new SyntaxError(`no PromQL at ${node.from}: ${expression}`);
    if (node.name === 'VectorSelector') selectors.push(readSelector(node, text));
    if (node.name === 'GroupingLabels') labels.push(...node.getChildren('LabelName').map(text));
    for (let child = node.firstChild; child !== null; child = child.nextSibling) visit(child);
  };
  visit(parser.parse(expression).topNode);
  return { selectors, labels };
}

function readSelector(node: SyntaxNode, text: (node: SyntaxNode) => string): Selector {
  const name = node.getChild('Identifier');
  if (name === null) throw new SyntaxError(`a selector without a metric: ${text(node)}`);
  const matchers = node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? [];
  return { metric: text(name), matchers: matchers.map((matcher) => readMatcher(matcher, text)) };
}

function readMatcher(node: SyntaxNode, text: (node: SyntaxNode) => string): Matcher {
  const [label, operator, value] = ['LabelName', 'MatchOp', 'StringLiteral'].map((name) => {
    const child = node.getChild(name);
    if (child === null) throw new SyntaxError(`no matcher: ${text(node)}`);
    return text(child);
  });
  return { label: label ?? '', operator: operator ?? '', value: (value ?? '').slice(1, -1) };
}
