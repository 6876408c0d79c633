/** A container whose private area is a folder (simfs), as a disk. */
import type { Host } from '../../io/host/host.ts';
import { AppError } from '../../model/errors.ts';
import type { Machine } from '../../model/machine.ts';
import type { OpenDisk } from '../plugin.ts';

export class Folders {
  readonly #host: Host;

  constructor(host: Host, _report: (step: string) => void) {
    this.#host = host;
  }

  /** @throws AppError `unsupported`. */
  async open(_machine: Machine, area: string, _signal: AbortSignal): Promise<OpenDisk> {
    throw new AppError('unsupported', 'this container is a folder (simfs), not a disk', {
      where: `${this.#host.name}:${area}`,
      hint: 'convert it there first: vzctl stop CTID, vzctl convert CTID --layout ploop',
    });
  }

  async close(): Promise<void> {
    // nothing is held
  }
}
