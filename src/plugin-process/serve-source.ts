/** The source role as methods. */
import type { OpenDisk, SourceRole } from '../env-plugins/plugin.ts';
import { checkRange } from '../io/byte-source.ts';
import { MiB } from '../model/units.ts';
import type { Handles, Method, Params, ServedDisk, ServedHold } from './serve.ts';
import { machineOf, sizeOf } from './serve.ts';

/** Extents that go into one event: no frame gets too long. */
const extentsAtOnce = 4096;

export function sourceMethods(
  source: SourceRole | undefined,
  handles: Handles,
): Readonly<Record<string, Method>> {
  if (source === undefined) return {};
  const opened = (disk: OpenDisk) => {
    const { name, size, access, modifiedAt, extents } = disk.source;
    return {
      handle: handles.add({ kind: 'disk', disk } satisfies ServedDisk),
      name,
      size,
      access,
      ...(modifiedAt === undefined ? {} : { modifiedAt }),
      ...(disk.format === undefined ? {} : { format: disk.format }),
      outside: disk.outside === true,
      gzip: disk.gzip === true,
      extents: extents !== undefined,
      neighbours: disk.neighbours !== undefined,
      ...(disk.findings === undefined ? {} : { findings: disk.findings }),
    };
  };
  const diskOf = ({ handle }: Params) => handles.get<ServedDisk>(handle).disk;
  return {
    async list(_, { signal, event }) {
      await source.list({ signal, found: event });
    },
    async watch(_, { signal, event }) {
      const gone = (id: string) => event({ gone: id });
      await source.watch?.({ signal, found: (machine) => event({ machine }), gone });
    },
    inspect: ({ id }, { signal }) => source.inspect(String(id), signal),
    open: async (params, { signal }) =>
      opened(await source.open(machineOf(params), String(params.diskId), signal)),
    sibling: async (params) => opened(await diskOf(params).sibling(String(params.name))),
    neighbours: async (params) => (await diskOf(params).neighbours?.()) ?? [],
    async read(params, { signal, send }) {
      const disk = diskOf(params).source;
      const length = sizeOf(params, 'length');
      const offset = sizeOf(params, 'offset');
      checkRange(disk, offset, length);
      const piece = Buffer.allocUnsafe(Math.min(length, MiB));
      for (let at = 0; at < length; at += piece.length) {
        const part = piece.subarray(0, Math.min(piece.length, length - at));
        await disk.read(part, offset + at, signal);
        await send(part);
      }
    },
    async extents(params, { signal, event }) {
      const found =
        (await diskOf(params).source.extents?.(sizeOf(params, 'from'), sizeOf(params, 'to'), signal)) ?? [];
      for (let i = 0; i < found.length; i += extentsAtOnce) event(found.slice(i, i + extentsAtOnce));
    },
    async close(params) {
      const { source: bytes } = diskOf(params);
      handles.remove(params.handle);
      await bytes.close();
    },
    async verify(params, { signal }) {
      await source.verify?.(machineOf(params), signal);
    },
    async hold(params, { signal, event }) {
      const hold = await source.hold!(machineOf(params), {
        runId: String(params.runId),
        signal,
        report: event,
      });
      const handle = handles.add({ kind: 'hold', hold } satisfies ServedHold);
      const verify = hold.verify !== undefined;
      return { handle, machine: hold.machine, findings: hold.findings, verify };
    },
    async verifyHold({ handle }, { signal }) {
      await handles.get<ServedHold>(handle).hold.verify?.(signal);
    },
    async release({ handle }) {
      const { hold } = handles.get<ServedHold>(handle);
      handles.remove(handle);
      return hold.release();
    },
    async nvram(params, { signal, send }) {
      const variables = await source.nvram?.(machineOf(params), signal);
      if (variables !== undefined) await send(variables);
      return variables?.length ?? null;
    },
  };
}
