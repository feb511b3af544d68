import { join } from 'node:path';
import t from 'tap';
import { hasNeedlessRights } from '../../src/observability/process-user.js';

t.test('root, unless in a container', async (t) => {
  const none = [join(t.testdir({}), 'mark')];
  const mark = [...none, join(t.testdir({ mark: '' }), 'mark')];
  t.equal(hasNeedlessRights(0, {}, []), true);
  t.equal(hasNeedlessRights(1_000, {}, []), false);
  t.equal(hasNeedlessRights(null, {}, []), false, 'a system without users');
  t.equal(hasNeedlessRights(0, {}, mark), false);
  t.equal(hasNeedlessRights(0, { KUBERNETES_SERVICE_HOST: '10.0.0.1' }, []), false);
  t.equal(hasNeedlessRights(0, { container: 'lxc' }, []), false);
});
