import type { CheckoutRequest } from './checkout-request.js';

/** First in, first out, intrusive: entering and leaving anywhere is O(1) and allocates nothing. */
export class RequestQueue<S extends object> {
  #head: CheckoutRequest<S> | null = null;
  #tail: CheckoutRequest<S> | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get head(): CheckoutRequest<S> | null {
    return this.#head;
  }

  push(request: CheckoutRequest<S>): void {
    this.#insertBehind(request, this.#tail);
  }

  /** Puts a request that had left back to where its ticket belongs: ahead of everyone who came later. */
  restore(request: CheckoutRequest<S>): void {
    let place: CheckoutRequest<S> | null = null;
    let next = this.#head;
    while (next !== null && next.ticket < request.ticket) {
      place = next;
      next = next.behind;
    }
    this.#insertBehind(request, place);
  }

  shift(): CheckoutRequest<S> | null {
    const head = this.#head;
    if (head !== null) this.remove(head);
    return head;
  }

  /** The request must be in this queue. */
  remove(request: CheckoutRequest<S>): void {
    const { ahead, behind } = request;
    if (ahead === null) this.#head = behind;
    else ahead.behind = behind;
    if (behind === null) this.#tail = ahead;
    else behind.ahead = ahead;
    request.ahead = null;
    request.behind = null;
    request.queue = null;
    this.#size--;
  }

  #insertBehind(request: CheckoutRequest<S>, place: CheckoutRequest<S> | null): void {
    const behind = place === null ? this.#head : place.behind;
    request.ahead = place;
    request.behind = behind;
    request.queue = this;
    if (place === null) this.#head = request;
    else place.behind = request;
    if (behind === null) this.#tail = request;
    else behind.ahead = request;
    this.#size++;
  }
}
