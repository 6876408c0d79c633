/** A machine in memory that is copied while it runs, with what it was asked for. */
import { connector } from '../../src/convert/sessions.ts';
import { localPlugin } from '../../src/env-plugins/local/index.ts';
import type { Changed, Delta, EnvironmentPlugin, SourceRole } from '../../src/env-plugins/plugin.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import type { Machine, PowerState } from '../../src/model/machine.ts';
import type { ByteWindow } from '../../src/model/window.ts';

export class WarmMachine {
  state: PowerState = 'running';
  /** By disk id. */
  readonly disks = new Map<string, Buffer>();
  /** Snapshots that are there. */
  held = 0;
  shutDowns = 0;
  closed = 0;
  passes = 0;
  /** Disks that were opened as a whole. */
  opened = 0;
  /** What changed is sent as it is, and only that can be read. */
  sendsChanges = false;
  /** Told instead of what changed. */
  unknown: string | undefined;
  /** Errors of the next readings, states and passes. */
  readonly failures: { reading: Error[]; state: Error[]; pass: Error[] } = {
    reading: [],
    state: [],
    pass: [],
  };
  /** Called when the pass of this number holds the machine, and when it has let it go. */
  onHeld: (pass: number) => void = () => undefined;
  onReleased: (pass: number) => void = () => undefined;
  onShutDown: () => void = () => {
    this.state = 'off';
  };
  /** What was read of the source, in bytes. */
  bytesRead = 0;
  #written: { id: string; range: ByteWindow; pass: number }[] = [];

  write(id: string, offset: number, bytes: Buffer): void {
    bytes.copy(this.disks.get(id)!, offset);
    this.#written.push({ id, range: { offset, length: bytes.length }, pass: this.passes });
  }

  machine(): Machine {
    const disks = [...this.disks].map(([id, bytes]) => ({
      ...{ id, name: id, files: [], format: 'raw', virtualSizeBytes: bytes.length },
    }));
    return { id: 'm1', name: 'web', state: this.state, disks, nics: [], findings: [] };
  }

  #changed(id: string, since: string | undefined, size: number): Changed {
    if (this.unknown !== undefined) return { unknown: this.unknown };
    if (since === undefined) return { ranges: [{ offset: 0, length: size }] };
    const ranges = this.#written
      .filter((w) => w.id === id && w.pass >= Number(since))
      .map((w) => w.range)
      .sort((a, b) => a.offset - b.offset);
    return { ranges };
  }

  #delta(bytes: Buffer, id: string, since: string | undefined, size: number): Delta | undefined {
    const changed = this.#changed(id, since, size);
    if ('unknown' in changed || since === undefined) return undefined;
    const whole = memorySource(bytes, id);
    const read: typeof whole.read = async (target, offset) => {
      const end = offset + target.length;
      if (!changed.ranges.some((range) => range.offset <= offset && end <= range.offset + range.length))
        throw new Error(`${target.length} bytes at ${offset} are not among the changes`);
      this.bytesRead += target.length;
      await whole.read(target, offset);
    };
    return { ranges: changed.ranges, source: { ...whole, access: 'forward', read } };
  }

  role(): SourceRole {
    let frozen: Map<string, Buffer> | undefined;
    return {
      list: async () => undefined,
      inspect: async () => this.machine(),
      open: async (_, id) => {
        const bytes = (frozen ?? this.disks).get(id)!;
        this.opened++;
        const source = memorySource(bytes, id);
        const read: typeof source.read = async (target, offset) => {
          // A look for marks of formats takes no note of it.
          const failure = target.length < 65536 ? undefined : this.failures.reading.shift();
          if (failure !== undefined) throw failure;
          this.bytesRead += target.length;
          await source.read(target, offset);
        };
        return {
          source: { ...source, read },
          format: 'raw',
          sibling: () => Promise.reject(new Error('none')),
        };
      },
      hold: () => Promise.reject(new Error('it is tracked, not held')),
      track: async () => ({
        findings: [],
        pass: async ({ signal }) => {
          signal.throwIfAborted();
          const failure = this.failures.pass.shift();
          if (failure !== undefined) throw failure;
          const number = ++this.passes;
          const final = this.state === 'off';
          if (!final) this.held++;
          frozen = new Map([...this.disks].map(([id, bytes]) => [id, Buffer.from(bytes)]));
          const machine = this.machine();
          this.onHeld(number);
          return {
            ...{ machine, findings: [], final },
            marks: Object.fromEntries([...this.disks.keys()].map((id) => [id, String(number)])),
            changed: async ({ id, size }, since) => this.#changed(id, since?.[id], size),
            ...(this.sendsChanges
              ? { delta: async ({ id, size }, since) => this.#delta(frozen!.get(id)!, id, since[id], size) }
              : {}),
            release: async () => {
              if (!final) this.held--;
              frozen = undefined;
              this.onReleased(number);
              return [];
            },
          };
        },
        state: async () => {
          const failure = this.failures.state.shift();
          if (failure !== undefined) throw failure;
          return this.state;
        },
        shutDown: async () => {
          this.shutDowns++;
          this.onShutDown();
        },
        close: async () => {
          this.closed++;
          return [];
        },
      }),
    };
  }

  plugin(): EnvironmentPlugin {
    return {
      ...{ id: 'warm', label: 'warm', summary: '', roles: ['source'], fields: [] },
      connect: async () => ({ source: this.role(), close: async () => undefined }),
    };
  }

  /** With a folder here as destination. */
  connect() {
    return connector([this.plugin(), localPlugin({ imageExtensions: [] })], (_, signal) => ({
      signal,
      secret: () => Promise.reject(new Error('no secrets')),
      report: () => undefined,
      confirm: async () => false,
    }));
  }
}
