/** How often each cluster of a file is referred to: a byte a cluster in pages, and a list of the few larger ones. */
const pageClusters = 64 * 1024;
const overflow = 255;

export class ReferenceCounts {
  readonly #pages = new Map<number, Uint8Array>();
  readonly #large = new Map<number, number>();

  add(cluster: number, times: number): void {
    const index = Math.floor(cluster / pageClusters);
    let page = this.#pages.get(index);
    if (page === undefined) {
      page = new Uint8Array(pageClusters);
      this.#pages.set(index, page);
    }
    const at = cluster % pageClusters;
    const count = page[at]!;
    const sum = (count === overflow ? this.#large.get(cluster)! : count) + times;
    if (sum >= overflow) this.#large.set(cluster, sum);
    page[at] = Math.min(sum, overflow);
  }

  get(cluster: number): number {
    const count = this.#pages.get(Math.floor(cluster / pageClusters))?.[cluster % pageClusters] ?? 0;
    return count === overflow ? this.#large.get(cluster)! : count;
  }

  /** Whether nothing in [from, to) is referred to, as far as whole pages tell. */
  isEmpty(from: number, to: number): boolean {
    for (let i = Math.floor(from / pageClusters); i * pageClusters < to; i++) {
      if (this.#pages.has(i)) return false;
    }
    return true;
  }
}
