/**
 * One machine on its way into Hyper-V: its disks grow under temporary names in a folder made for it, and one call there
 * gives them their names and makes the machine of them, or takes back what it did.
 */
import { win32 } from 'node:path';
import type { ByteSink } from '../../io/byte-source.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Leftover } from '../../model/leftover.ts';
import type { PowerState } from '../../model/machine.ts';
import type { Delivery, DeliveryRequest } from '../plugin.ts';
import { textIn } from './answers.ts';
import { baseFolder, nameFindings } from './check-delivery.ts';
import { fitMachine } from './fit-machine.ts';
import { runMark } from './notes.ts';
import { readHost } from './places.ts';
import { quoted, runScript } from './powershell.ts';
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
  // It may have been begun, its answer being lost.
  let hasFolder = false;
  let isMade = false;
  let id: string | undefined;

  const undo = async () => {
    for (const sink of open) await sink.abort();
    open.clear();
    if (!hasFolder) return;
    const values = { name, mark, files, folder };
    await runScript(transport, { script: undoScript, values, step: 'tidying up' });
    hasFolder = false;
    isMade = false;
  };
  const stays = ({ message }: AppError): Leftover[] => [
    ...(isMade
      ? [
          {
            what: `the machine "${name}" may be on ${transport.name} still (${message})`,
            command: `Get-VM | Where-Object { $_.Name -eq ${quoted(name)} -and ([string]$_.Notes).EndsWith(${quoted(mark)}) } | Remove-VM -Force`,
          },
        ]
      : []),
    {
      what: `the folder ${folder} with what was written may be on ${transport.name} still (${message})`,
      command: `Remove-Item -LiteralPath ${quoted(folder)} -Recurse -Force`,
    },
  ];
  return {
    async sink(file) {
      const why = impossibleName(file.name);
      if (why !== undefined) throw new AppError('usage', `no name of a file: ${why}`, { where: file.name });
      const path = win32.join(folder, file.name);
      if (files.some((one) => samePath(one.path, path)))
        throw new AppError('conflict', 'two disks have the same name', { where: path });
      if (!hasFolder) {
        const call = { script: folderScript, values: { folder }, step: 'making its folder' };
        hasFolder = true;
        await runScript(transport, call).catch((error) => {
          if (toAppError(error).kind === 'conflict') hasFolder = false; // somebody else's
          throw error;
        });
      }
      const part = win32.join(folder, `${file.name}.vmferry-${runId}.part`);
      files.push({ part, path });
      // Not cancelled half-way: what is made after it was removed would stay.
      const sink = await transport.files.create(filePath(part));
      open.add(sink);
      throwIfAborted(signal);
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
      isMade = true;
      const made = await runScript(transport, { script: makeScript, values, step: 'making the machine' });
      id = textIn(made, 'id');
      return [`${transport.name}: ${name}`, ...files.map(({ path }) => path)];
    },
    async rollback() {
      if (id !== undefined) return [];
      return undo().then(
        () => [],
        (error) => stays(toAppError(error)),
      );
    },
    async start(startSignal): Promise<PowerState> {
      const call = { script: startScript, values: { id }, step: 'starting it', signal: startSignal };
      const state = textIn(await runScript(transport, call), 'state');
      return state === 'Running' ? 'running' : state === 'Off' ? 'off' : 'unknown';
    },
  };
}
