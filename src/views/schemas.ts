import * as z from 'zod';
import type { HistogramParts } from '../observability/latency-histogram.js';

/** At least 0, whole. */
export const count = z.int().min(0);

export const histogram: z.ZodType<HistogramParts> = z.object({
  buckets: z.array(z.tuple([count, count])),
  sumMs: z.number(),
  maxMs: z.number(),
});
