import t from 'tap';
import { fuzzShortly } from './shortly.js';

t.setTimeout(240_000);

await fuzzShortly(t, ['client-login', 'client-commands']);
