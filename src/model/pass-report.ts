/** One pass over a machine that is copied while it runs. */
export interface PassReport {
  /** From 1, which is the whole copy. */
  readonly number: number;
  /** The machine was off. */
  readonly last: boolean;
  /** Read at the source. */
  readonly bytesRead: number;
  /** Different from the pass before, as far as that was told or compared. */
  readonly bytesChanged: number;
  readonly seconds: number;
}
