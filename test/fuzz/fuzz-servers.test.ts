import t from 'tap';
import { fuzzShortly } from './shortly.js';

t.setTimeout(600_000);

await fuzzShortly(t, ['server-login', 'replies']);
