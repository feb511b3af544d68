/** Runs a task so many times, at most `width` at once. */
export async function repeat(
  times: number,
  width: number,
  task: (i: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < times) await task(next++);
  };
  await Promise.all(Array.from({ length: width }, lane));
}
