import t from 'tap';
import { Outcome, type TagOperation } from '../history.js';
import { checkTags } from './tags.js';

function operation(asked: string, got: readonly string[], outcome: Outcome = Outcome.Ok): TagOperation {
  return { workload: 'tags', process: 1, invoked: 1, completed: 2, outcome, asked, got };
}

t.test('own tags are good', async (t) => {
  t.same(
    checkTags([operation('a', ['a', 'a']), operation('b', []), operation('c', ['x'], Outcome.Fail)]),
    [],
  );
});

t.test('another tag is found', async (t) => {
  t.match(checkTags([operation('a', ['a', 'b'])]), [{ type: 'crossed', what: /asked for a and got b/ }]);
});
