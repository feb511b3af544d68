/** What the relay has done since the start; read by metrics. */
export class RelayCounters {
  /** Round trips that brought a session into a client's state. */
  restores = 0;
  /** Commands answered from what the server had answered before. */
  learnedAnswers = 0;
}
