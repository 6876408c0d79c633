/** Calls to the outside, counted, and made to fail at a chosen one. */
import type { ByteSink } from '../../src/io/byte-source.ts';
import type { Host, HostFiles } from '../../src/io/host/host.ts';
import { AppError } from '../../src/model/errors.ts';

/**
 * How step n goes wrong. `refused`: it is not done. `unheard`: it is done, and its answer is lost. `gone`: the other end
 * is not there any more, from that step on. `last word`: it does that step, and is gone. `cancel`: the run is cancelled
 * at that moment.
 */
export type Wrong = 'refused' | 'unheard' | 'gone' | 'last word' | 'cancel';

export class Faults {
  readonly steps: string[] = [];
  readonly controller = new AbortController();
  readonly #wrong: Wrong | undefined;
  readonly #at: ReadonlySet<number>;

  /** The steps are counted from 1. */
  constructor(wrong?: Wrong, ...at: readonly number[]) {
    this.#wrong = wrong;
    this.#at = new Set(at);
  }

  /** The other end is there again. */
  #healed = false;
  heal(): void {
    this.#healed = true;
  }

  get happened(): boolean {
    return this.steps.length >= Math.min(...this.#at);
  }

  async step<T>(name: string, work: () => Promise<T>): Promise<T> {
    if (this.#healed) return work();
    const broken = this.happened && (this.#wrong === 'gone' || this.#wrong === 'last word');
    this.steps.push(name);
    if (broken) throw lost();
    if (!this.#at.has(this.steps.length)) return work();
    switch (this.#wrong) {
      case 'cancel':
        this.controller.abort();
        return work();
      case 'unheard':
      case 'last word':
        await work();
        throw this.#wrong === 'unheard' ? new AppError('io', `no answer: ${name}`) : lost();
      case 'gone':
        throw lost();
      default:
        throw new AppError('io', `refused: ${name}`);
    }
  }
}

const lost = () => new AppError('unreachable', 'the other end is gone');

export function faultySink(sink: ByteSink, faults: Faults): ByteSink {
  return {
    ...sink,
    write: (bytes, offset, signal) => faults.step('write', () => sink.write(bytes, offset, signal)),
    finish: (size, time) => faults.step('finish', () => sink.finish(size, time)),
  };
}

export function faultyFiles(files: HostFiles, faults: Faults): HostFiles {
  return {
    ...files,
    realpath: (path, signal) => faults.step('realpath', () => files.realpath(path, signal)),
    stat: (path, signal) => faults.step('stat', () => files.stat(path, signal)),
    list: (folder, signal) => faults.step('list', () => files.list(folder, signal)),
    text: (path, options) => faults.step('text', () => files.text(path, options)),
    makeFolder: (path, signal) => faults.step('makeFolder', () => files.makeFolder(path, signal)),
    rename: (from, to, signal) => faults.step('rename', () => files.rename(from, to, signal)),
    remove: (path, signal) => faults.step('remove', () => files.remove(path, signal)),
    async create(path, options) {
      let made: ByteSink | undefined;
      try {
        return await faults.step('create', async () => {
          made = faultySink(await files.create(path, options), faults);
          return made;
        });
      } catch (error) {
        await made?.abort(); // its answer was lost: nobody else closes it
        throw error;
      }
    },
  };
}

/** The words of a command that tell what it does. */
const nameOf = (args: readonly string[]): string =>
  args
    .filter((arg) => !arg.startsWith('qemu:'))
    .join(' ')
    .replace(/^.*?(virsh|VBoxManage) /, '$1 ')
    .slice(0, 80);

export function faultyHost(host: Host, faults: Faults): Host {
  return {
    ...host,
    files: faultyFiles(host.files, faults),
    run: (args, options) => faults.step(`run ${nameOf(args)}`, () => host.run(args, options)),
    spawn: (args, options) => faults.step(`spawn ${nameOf(args)}`, () => host.spawn(args, options)),
  };
}
