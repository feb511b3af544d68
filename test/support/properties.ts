import fc from 'fast-check';

/**
 * Of all random data in property tests. The same in every run, so that a change is what makes a run fail; other data are for
 * whoever looks for more: `PROPERTY_SEED=random`, or the number that a failure was reported with.
 */
const seed = process.env['PROPERTY_SEED'] ?? '1';
if (seed !== 'random') fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(seed) });

export { fc };
