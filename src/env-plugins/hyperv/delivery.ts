/**
 * One machine on its way into Hyper-V: its disks grow under temporary names in a folder made for it, and one call there
 * gives them their names and makes the machine of them, or takes back what it did.
 */
import { win32 } from 'node:path';
import type { ByteSink } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';
import type { PowerState } from '../../model/machine.ts';
import type { Delivery, DeliveryRequest } from '../plugin.ts';
import { textIn } from './answers.ts';
import { baseFolder, nameFindings } from './check-delivery.ts';
import { fitMachine } from './fit-machine.ts';
import { runMark } from './notes.ts';
import { readHost } from './places.ts';
import { runScript } from './powershell.ts';
import { folderScript, makeScript, startScript, undoScript } from './scripts/make.ts';
import type { Transport } from './transport.ts';
import { filePath, impossibleName, samePath } from './windows-path.ts';

interface Part {
  readonly part: string;
  readonly path: string;
}

/** @throws AppError `conflict`, `usage`, `unsupported`, `auth`. */
export async function beginDelivery(transport: Transport, request: DeliveryRequest): Promise<Delivery> {
  const { name, signal, runId, machine, settings } = request;
  const places = await readHost(transport, signal);
  const [bad] = nameFindings(places, name);
  if (bad !== undefined) throw new AppError('conflict', bad.message, { where: name, hint: bad.remedy ?? '' });
  const base = baseFolder(settings, places);
  filePath(base);
  const folder = win32.join(base, name);
  const mark = runMark(runId);
  const notes = [...(machine.description === undefined ? [] : [machine.description]), mark].join('\n\n');
  const files: Part[] = [];
  const open = new Set<ByteSink>();
  let hasFolder = false;
  let id: string | undefined;

  const undo = async () => {
    for (const sink of open) await sink.abort();
    open.clear();
    if (!hasFolder) return;
    await runScript(transport, { script: undoScript, values: { mark, files, folder }, step: 'tidying up' });
    hasFolder = false;
  };
  return {
    async sink(file) {
      const why = impossibleName(file.name);
      if (why !== undefined) throw new AppError('usage', `no name of a file: ${why}`, { where: file.name });
      const path = win32.join(folder, file.name);
      if (files.some((one) => samePath(one.path, path)))
        throw new AppError('conflict', 'two disks have the same name', { where: path });
      if (!hasFolder) {
        const call = { script: folderScript, values: { folder }, step: 'making its folder' };
        await runScript(transport, call);
        hasFolder = true;
      }
      const part = win32.join(folder, `${file.name}.vmferry-${runId}.part`);
      const sink = await transport.files.create(filePath(part), { signal });
      files.push({ part, path });
      open.add(sink);
      return {
        ...sink,
        async finish(size, modifiedAt) {
          await sink.finish(size, modifiedAt);
          open.delete(sink);
        },
      };
    },
    async commit() {
      const { disks, nics, dvds, memoryBytes, secureBoot, ...fitted } = fitMachine(machine, settings, places);
      if (files.length !== disks.length)
        throw new AppError('bug', `${files.length} files for ${disks.length} disks`, { where: name });
      const values = {
        name,
        base,
        notes,
        files,
        memory: memoryBytes,
        generation: fitted.generation,
        processors: fitted.processors,
        secureBoot: secureBoot ? 'On' : 'Off',
        secureBootTemplate: fitted.secureBootTemplate,
        disks: disks.map((slot, index) => ({ ...slot, path: files[index]!.path })),
        dvds,
        adapters: nics.map((nic, index) => ({ name: `Network Adapter ${index + 1}`, ...nic })),
      };
      const made = await runScript(transport, { script: makeScript, values, step: 'making the machine' });
      id = textIn(made, 'id');
      return [`${transport.name}: ${name}`, ...files.map(({ path }) => path)];
    },
    async rollback() {
      // What is left when the host is gone lies in a folder of the machine's name.
      if (id === undefined) await undo().catch(() => undefined);
      return [];
    },
    async start(startSignal): Promise<PowerState> {
      const call = { script: startScript, values: { id }, step: 'starting it', signal: startSignal };
      const state = textIn(await runScript(transport, call), 'state');
      return state === 'Running' ? 'running' : state === 'Off' ? 'off' : 'unknown';
    },
  };
}
