/**
 * A datastore's files from the ESXi host by SSH, where the operator has turned that on: through the helper of `io/host`
 * (ESXi has python3 from 6.x on and no perl), else SFTP, where the host has it. What is allocated is told by vmkfstools.
 */
import { posix } from 'node:path';
import type { ByteSource } from '../../../io/byte-source.ts';
import { type Extent, wholeExtent } from '../../../io/extents.ts';
import type { Host } from '../../../io/host/host.ts';
import { AppError, toAppError } from '../../../model/errors.ts';
import { MiB } from '../../../model/units.ts';
import type { OpenDisk, PluginContext } from '../../plugin.ts';
import { type DatastorePath, formatDatastorePath, namedFrom, volumeOf } from '../datastore-path.ts';
import { type FilePlace, isOwn } from '../disk-file.ts';
import { whyNoFiles } from './files.ts';
import { mappedWithin, parseMapping } from './vmfs-mapping.ts';
import type { MakeWay, WayContext, WaySubject } from './way.ts';

/** A line for each fragment: more than this is more of them than a disk has that is worth asking for. */
const mostMapping = 64 * MiB;

/** `volumes`: where the host has its datastores. */
export const sshWayBelow =
  (volumes: string): MakeWay =>
  (context) => {
    const hosts = new Map<string, Promise<Host>>();
    const reached = (name: string, signal: AbortSignal): Promise<Host> => {
      const known = hosts.get(name);
      if (known !== undefined) return known;
      const reaching = reach(context, name, signal);
      hosts.set(name, reaching);
      // What was cancelled says nothing of the host.
      reaching.catch((error) => {
        if (toAppError(error).kind === 'cancelled') hosts.delete(name);
      });
      return reaching;
    };
    return {
      id: 'ssh',
      label: 'files of the datastore from the ESXi host by SSH',
      async whyNot(subject) {
        if ((context.settings.sshUser ?? '').trim() === '') return 'no "SSH user" is given';
        if (hostName(context, subject) === undefined) return 'it is not known which host runs the machine';
        return whyNoFiles(subject);
      },
      async open(subject, signal) {
        const host = await reached(hostName(context, subject)!, signal);
        const { place, file } = subject;
        return { ...(await openOnHost({ host, volumes, place: place! }, file!, signal)), format: 'vmdk' };
      },
      async close() {
        const opened = await Promise.allSettled(hosts.values());
        hosts.clear();
        await Promise.all(
          opened.map((each) => (each.status === 'fulfilled' ? each.value.close() : undefined)),
        );
      },
    };
  };

export const sshWay = sshWayBelow('/vmfs/volumes');

function hostName({ settings, session, server }: WayContext, { host }: WaySubject): string | undefined {
  const given = (settings.sshHost ?? '').trim();
  if (given !== '') return given;
  return session.about.isVCenter ? host?.name : server.host;
}

async function reach(
  { settings, plugin, server, session }: WayContext,
  host: string,
  signal: AbortSignal,
): Promise<Host> {
  const { sshUser = '', sshPort = '', sshKeyFile = '' } = settings;
  const user = sshUser.trim();
  const isServer = !session.about.isVCenter && host === server.host && user === server.user;
  /** The words that the form of an SSH host has for ours. */
  const secret = async (key: string): Promise<string> => {
    if (key === 'keyPassphrase') return plugin.secret('sshKeyPassphrase');
    try {
      return await plugin.secret('sshPassword');
    } catch (error) {
      if (!isServer || toAppError(error).kind !== 'auth') throw error;
      return plugin.secret('password');
    }
  };
  const context: PluginContext = {
    signal,
    secret,
    report: (step) => plugin.report(step),
    confirm: (question) => plugin.confirm(question),
    ...(plugin.note === undefined ? {} : { note: plugin.note }),
    ...(plugin.ask === undefined ? {} : { ask: plugin.ask.bind(plugin) }),
  };
  const [{ connectHost }, { sshHost }] = await Promise.all([
    import('../../ssh-host/connect.ts'),
    import('../../../io/host/ssh-host.ts'),
  ]);
  // A host that needs old TLS has an sshd of the same age.
  const legacy = server.legacy ? 'yes' : 'no';
  const connection = await connectHost({ host, user, port: sshPort, keyFile: sshKeyFile, legacy }, context);
  return sshHost(connection, { tell: plugin.note });
}

export interface HostPlace {
  readonly host: Host;
  readonly volumes: string;
  readonly place: FilePlace;
}

/** @throws AppError `not-found`, `conflict` (locked), `auth`, `unreachable`, `unsupported`. */
export async function openOnHost(
  on: HostPlace,
  file: DatastorePath,
  signal: AbortSignal | undefined,
): Promise<OpenDisk> {
  const { host, place } = on;
  const name = formatDatastorePath(file);
  const path = pathOf(on, file);
  const source = await host.files.open(path, signal).catch((error) => {
    throw explained(error, name);
  });
  return {
    source: asNamed(source, name, flatEnding.test(path) ? mappingOf(host, path, source.size) : undefined),
    ...(isOwn(place, file) ? {} : { outside: true }),
    sibling: (named) => openOnHost(on, namedFrom(file, named, place.datastores), signal),
  };
}

/** By the volume's id, which is the same on all hosts, or by its name. */
function pathOf({ volumes, place }: HostPlace, file: DatastorePath): string {
  const datastore = place.datastores.find((d) => d.name === file.datastore);
  const volume = datastore === undefined ? undefined : (volumeOf(datastore.url) ?? datastore.name);
  if (volume === undefined || /^\.{0,2}$|[/\0]/.test(volume)) {
    throw new AppError('not-found', `the datastore "${file.datastore}" is not one of this machine`, {
      where: formatDatastorePath(file),
    });
  }
  return posix.join(volumes, volume, file.path);
}

/** ESXi's words for a file that a machine writes to, or that another host has open. */
function explained(error: unknown, where: string): AppError {
  const { kind, message, hint } = toAppError(error);
  if (/busy|lock/i.test(message)) {
    return new AppError('conflict', `the host keeps the file locked (${message})`, {
      where,
      hint: 'a machine writes to it, maybe on another host: say that host with "SSH host", or take another way',
      cause: error,
    });
  }
  return new AppError(kind, message, { where, cause: error, ...(hint === undefined ? {} : { hint }) });
}

const flatEnding = /-flat\.vmdk$/;

type AskMapping = (signal: AbortSignal | undefined) => Promise<readonly Extent[] | undefined>;

/** Asked once, when it is wanted; undefined where vmkfstools tells nothing that is understood. */
function mappingOf(host: Host, path: string, size: number): AskMapping {
  let asked: Promise<readonly Extent[] | undefined> | undefined;
  const ask: AskMapping = async (signal) => {
    const command = ['vmkfstools', '-t0', path.replace(flatEnding, '.vmdk')];
    try {
      const { code, stdout } = await host.run(command, { signal, maximumBytes: mostMapping });
      return code === 0 ? parseMapping(stdout.toString('latin1'), size) : undefined;
    } catch (error) {
      const { kind } = toAppError(error);
      if (kind === 'cancelled' || kind === 'unreachable') throw error;
      return undefined;
    }
  };
  return (signal) => {
    const asking = asked ?? ask(signal);
    asked = asking;
    asking.catch(() => {
      asked = undefined;
    });
    return asking;
  };
}

function asNamed(source: ByteSource, name: string, mapping: AskMapping | undefined): ByteSource {
  const { size, access, modifiedAt } = source;
  return {
    name,
    size,
    access,
    ...(modifiedAt === undefined ? {} : { modifiedAt }),
    read: (target, offset, signal) => source.read(target, offset, signal),
    async extents(from, to, signal) {
      const known = await mapping?.(signal);
      if (known !== undefined) return mappedWithin(known, from, to);
      return source.extents === undefined ? wholeExtent('data', from, to) : source.extents(from, to, signal);
    },
    close: () => source.close(),
  };
}
