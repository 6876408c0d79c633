/**
 * Machines of User Mode Linux: those that run, those that a start file describes, and images that lie about.
 * Ids: `umid:NAME` or `pid:N` for those that run, else a path.
 */
import { posix } from 'node:path';
import type { Host } from '../../io/host/host.ts';
import { AppError } from '../../model/errors.ts';
import type { Machine } from '../../model/machine.ts';
import { openHostImage } from '../host-image.ts';
import type { OpenDisk, SourceRole } from '../plugin.ts';
import type { UmlCommand } from './command-line.ts';
import { lookAt, type UmlFile, umlFiles } from './files.ts';
import { holdMachine } from './hold.ts';
import { machineOfCommand, machineOfImage } from './machine.ts';
import { type UmlProcess, umlProcesses } from './processes.ts';

export function sourceRole(host: Host, folders: readonly string[]): SourceRole {
  return {
    async list({ signal, found }) {
      const running = await umlProcesses(host, signal);
      for (const process of running) found(machineOfProcess(process));
      // A file that belongs to a machine is not a machine itself.
      const taken = new Set(running.flatMap(({ command }) => filesOf(command)));
      const images: Exclude<UmlFile, { kind: 'start' }>[] = [];
      for await (const file of umlFiles(host, folders, signal)) {
        if (file.kind !== 'start') images.push(file);
        else if (!filesOf(file.command).some((path) => taken.has(path))) {
          for (const path of filesOf(file.command)) taken.add(path);
          found(machineOfFile(file));
        }
      }
      for (const image of images) if (!taken.has(image.file.path)) found(machineOfFile(image));
    },
    async inspect(id, signal) {
      const process = await runningAs(host, id, signal);
      if (process !== undefined) return machineOfProcess(process);
      return machineOfFile(await fileOf(host, id, signal));
    },
    async open(machine, diskId, signal) {
      const disk = machine.disks.find((d) => d.id === diskId);
      const [path, backing] = disk?.files ?? [];
      if (path === undefined) throw new AppError('not-found', `there is no disk "${diskId}"`);
      const opened = await openHostImage(host, path, signal);
      return backing === undefined ? opened : over(host, opened, backing, signal);
    },
    async hold(machine, options) {
      const running = await runningAs(host, machine.id, options.signal);
      return holdMachine(host, machine, running?.command.umid, options);
    },
  };
}

/** The command line says what lies below, whatever name the COW file has for it. */
const over = (host: Host, cow: OpenDisk, backing: string, signal: AbortSignal): OpenDisk => ({
  ...cow,
  sibling: () => openHostImage(host, backing, signal),
});

const filesOf = (command: UmlCommand): string[] =>
  command.disks.flatMap((disk) => [disk.path, ...(disk.backing === undefined ? [] : [disk.backing])]);

function machineOfProcess({ pid, command }: UmlProcess): Machine {
  const id = command.umid === undefined ? `pid:${pid}` : `umid:${command.umid}`;
  return machineOfCommand(id, command.umid ?? posix.basename(command.disks[0]!.path), 'running', command);
}

function machineOfFile(found: UmlFile): Machine {
  if (found.kind !== 'start') return machineOfImage(found.file, found.kind);
  const plain = posix.basename(found.file.path, posix.extname(found.file.path));
  return machineOfCommand(found.file.path, found.command.umid ?? plain, 'off', found.command);
}

async function runningAs(host: Host, id: string, signal: AbortSignal): Promise<UmlProcess | undefined> {
  if (!/^(umid|pid):/.test(id)) return undefined;
  const found = (await umlProcesses(host, signal)).find((process) => machineOfProcess(process).id === id);
  if (found !== undefined) return found;
  throw new AppError('not-found', `${id} does not run any more`, {
    where: host.name,
    hint: 'name its start file, or its image',
  });
}

async function fileOf(host: Host, id: string, signal: AbortSignal): Promise<UmlFile> {
  const path = id.startsWith('/') ? id : posix.join(await host.files.home(signal), id);
  const file = await host.files.stat(path, signal);
  if (file === undefined) throw new AppError('not-found', 'no such file', { where: `${host.name}:${path}` });
  if (file.kind !== 'file' && file.kind !== 'device')
    throw new AppError('unsupported', 'this is not a file', { where: `${host.name}:${path}` });
  const found = await lookAt(host, file, signal);
  if (found !== undefined) return found;
  // Whoever names it knows what it is.
  return { kind: 'disk', file };
}
