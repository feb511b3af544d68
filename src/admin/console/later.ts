/** At once, or when other processes have been asked. */
export type Later<T> = T | Promise<T>;

/** What `next` makes of the value: at once where the value is there. */
export function when<T, U>(value: Later<T>, next: (value: T) => U): Later<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}
