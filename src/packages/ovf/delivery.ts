/** What the packers need of a delivery: structurally the one of the environments' contract. */
import type { ByteSink } from '../../io/byte-source.ts';

export interface PackageDelivery {
  sink(file: { readonly name: string; readonly size?: number }): Promise<ByteSink>;
  commit(): Promise<string[]>;
  rollback(): Promise<void>;
}
