import t from 'tap';
import { Edge, Graph } from './graph.js';

const { WriteWrite, WriteRead, ReadWrite } = Edge;

function graph(size: number, ...edges: readonly (readonly [number, number, Edge])[]): Graph {
  const made = new Graph(size);
  for (const [from, to, kind] of edges) made.add(from, to, kind);
  return made;
}

t.test('components', async (t) => {
  const made = graph(6, [0, 1, WriteWrite], [1, 2, WriteRead], [2, 0, WriteWrite], [3, 4, WriteWrite]);
  t.same(
    made.components(WriteWrite | WriteRead).map((one) => one.sort()),
    [[0, 1, 2]],
  );
  t.same(made.components(WriteWrite), [], 'over edges of some kinds only');
  made.add(5, 5, WriteWrite);
  t.same(made.components(WriteWrite), [], 'nothing comes before itself');
});

t.test('the shortest way round', async (t) => {
  const made = graph(
    4,
    ...([
      [0, 1, WriteWrite],
      [1, 2, WriteWrite],
      [2, 3, WriteWrite],
      [3, 0, WriteWrite],
      [2, 1, WriteRead],
    ] as const),
  );
  t.same(made.cycleIn([0, 1, 2, 3], WriteWrite | WriteRead), {
    nodes: [1, 2],
    edges: [WriteWrite, WriteRead],
  });
  t.equal(made.cycleIn([0, 1], WriteWrite), null);
});

t.test('with exactly one edge of a kind', async (t) => {
  const made = graph(3, [0, 1, ReadWrite], [1, 2, WriteWrite], [2, 0, WriteRead]);
  t.same(made.cycleWithOne([0, 1, 2], ReadWrite, WriteWrite | WriteRead), {
    nodes: [0, 1, 2],
    edges: [ReadWrite, WriteWrite, WriteRead],
  });
  t.equal(made.cycleWithOne([0, 1, 2], ReadWrite, WriteWrite), null);
});

t.test('a chain as long as a history', async (t) => {
  const size = 100_000;
  const made = new Graph(size);
  for (let i = 0; i < size; i++) made.add(i, (i + 1) % size, WriteWrite);
  t.equal(made.components(WriteWrite)[0]?.length, size);
});
