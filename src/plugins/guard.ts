/**
 * A plugin of others as one of ours: what it throws becomes an AppError, what it gives is checked. Only its data is
 * not touched on its way: a read fills the target that the caller gave.
 */
import { foreignError } from '../env-plugins/foreign-error.ts';
import type {
  Delivery,
  DestinationRole,
  EnvironmentPlugin,
  Hold,
  OpenDisk,
  Session,
  SourceRole,
} from '../env-plugins/plugin.ts';
import {
  checkedExtents,
  checkedFields,
  checkedFindings,
  checkedHardware,
  checkedLeftovers,
  checkedMachine,
  checkedOptions,
  checkedPower,
  checkedSize,
  checkedTexts,
  type PluginDescription,
} from '../env-plugins/shapes.ts';
import { watchChecked } from '../env-plugins/watch-checked.ts';
import { type ByteSink, type ByteSource, checkRange } from '../io/byte-source.ts';
import { AppError } from '../model/errors.ts';

/** Whatever `work` throws, in our words. */
type Inside = <T>(work: () => Promise<T> | T) => Promise<T>;

export function guarded(plugin: EnvironmentPlugin, described: PluginDescription): EnvironmentPlugin {
  const who = `the plugin "${described.id}"`;
  const inside: Inside = async (work) => {
    try {
      return await work();
    } catch (error) {
      throw foreignError(error, who);
    }
  };
  return {
    ...described,
    connect: async (settings, context) =>
      guardedSession(await inside(() => plugin.connect(settings, context)), who, inside),
  };
}

function guardedSession(session: Session, who: string, inside: Inside): Session {
  const { source, destination } = object<Session>(session, 'a session', who);
  let closing: Promise<void> | undefined;
  return {
    ...(source === undefined ? {} : { source: guardedSource(source, who, inside) }),
    ...(destination === undefined ? {} : { destination: guardedDestination(destination, who, inside) }),
    close() {
      closing ??= inside(() => session.close());
      return closing;
    },
  };
}

function guardedSource(source: SourceRole, who: string, inside: Inside): SourceRole {
  const { verify, watch, hold, nvram } = source;
  return {
    ...(source.lookWhenChosen === true ? { lookWhenChosen: true } : {}),
    async list({ signal, found }) {
      let wrong: unknown;
      await inside(() =>
        source.list({
          signal,
          found(machine) {
            try {
              if (wrong === undefined) found(checkedMachine(machine, who));
            } catch (error) {
              wrong = error;
            }
          },
        }),
      );
      if (wrong !== undefined) throw wrong;
    },
    ...(watch === undefined
      ? {}
      : {
          watch: (options) =>
            watchChecked(options, who, (checked) => inside(() => watch.call(source, checked))),
        }),
    inspect: async (id, signal) => checkedMachine(await inside(() => source.inspect(id, signal)), who),
    open: async (machine, diskId, signal) =>
      guardedDisk(await inside(() => source.open(machine, diskId, signal)), who, inside),
    ...(verify === undefined
      ? {}
      : { verify: (machine, signal) => inside(() => verify.call(source, machine, signal)) }),
    ...(hold === undefined
      ? {}
      : {
          hold: async (machine, options) =>
            guardedHold(await inside(() => hold.call(source, machine, options)), who, inside),
        }),
    ...(nvram === undefined
      ? {}
      : { nvram: (machine, signal) => inside(() => nvram.call(source, machine, signal)) }),
  };
}

function guardedHold(hold: Hold, who: string, inside: Inside): Hold {
  return {
    machine: checkedMachine(hold.machine, who),
    findings: checkedFindings(hold.findings, who),
    ...(hold.verify === undefined ? {} : { verify: (signal) => inside(() => hold.verify!(signal)) }),
    release: () =>
      inside(() => hold.release()).catch((error: AppError) => [
        `${who} could not tell whether the machine was left as it was: ${error.message}`,
      ]),
  };
}

function guardedDisk(disk: OpenDisk, who: string, inside: Inside): OpenDisk {
  const { format, outside, gzip, findings, neighbours } = object<OpenDisk>(disk, 'a disk', who);
  return {
    source: guardedBytes(object<ByteSource>(disk.source, 'a source of bytes', who), who, inside),
    ...(format === undefined ? {} : { format }),
    ...(outside === true ? { outside } : {}),
    ...(gzip === true ? { gzip } : {}),
    ...(findings === undefined ? {} : { findings: checkedFindings(findings, who) }),
    sibling: async (name) => guardedDisk(await inside(() => disk.sibling(name)), who, inside),
    ...(neighbours === undefined
      ? {}
      : {
          neighbours: async () => checkedTexts(await inside(() => neighbours.call(disk)), 'neighbours', who),
        }),
  };
}

function guardedBytes(bytes: ByteSource, who: string, inside: Inside): ByteSource {
  const { extents, modifiedAt } = bytes;
  const size = checkedSize(bytes.size, 'a size', who);
  let closing: Promise<void> | undefined;
  const source: ByteSource = {
    name: String(bytes.name),
    size,
    access: bytes.access === 'forward' ? 'forward' : 'random',
    ...(modifiedAt === undefined ? {} : { modifiedAt }),
    async read(target, offset, signal) {
      checkRange(source, offset, target.length);
      await inside(() => bytes.read(target, offset, signal));
    },
    ...(extents === undefined
      ? {}
      : {
          extents: async (from: number, to: number, signal?: AbortSignal) =>
            checkedExtents(await inside(() => extents.call(bytes, from, to, signal)), from, to, who),
        }),
    close() {
      closing ??= inside(() => bytes.close());
      return closing;
    },
  };
  return source;
}

function guardedDestination(destination: DestinationRole, who: string, inside: Inside): DestinationRole {
  const { product, formats, options, fields, networks, hardware } = destination;
  return {
    ...(product === undefined ? {} : { product: String(product) }),
    ...(formats === undefined ? {} : { formats: checkedTexts(formats, 'formats', who) }),
    ...(options === undefined ? {} : { options: checkedOptions(options, who) }),
    ...(hardware === undefined
      ? {}
      : {
          hardware: async (request) =>
            checkedHardware(await inside(() => hardware.call(destination, request)), who),
        }),
    ...(fields === undefined
      ? {}
      : {
          fields: async (signal) => checkedFields(await inside(() => fields.call(destination, signal)), who),
        }),
    ...(networks === undefined
      ? {}
      : {
          networks: async (signal) =>
            checkedTexts(await inside(() => networks.call(destination, signal)), 'networks', who),
        }),
    check: async (request, files, bytes) =>
      checkedFindings(await inside(() => destination.check(request, files, bytes)), who),
    begin: async (request) => guardedDelivery(await inside(() => destination.begin(request)), who, inside),
  };
}

function guardedDelivery(delivery: Delivery, who: string, inside: Inside): Delivery {
  const { start } = object<Delivery>(delivery, 'a delivery', who);
  return {
    sink: async (file) => guardedSink(await inside(() => delivery.sink(file)), inside),
    commit: async () => checkedTexts(await inside(() => delivery.commit()), 'places', who),
    rollback: () =>
      inside(() => delivery.rollback())
        .then((left) => checkedLeftovers(left, who))
        .catch((error: AppError) => [{ what: `${who} could not tell what of it stays: ${error.message}` }]),
    ...(start === undefined
      ? {}
      : { start: async (signal) => checkedPower(await inside(() => start.call(delivery, signal)), who) }),
  };
}

function guardedSink(sink: ByteSink, inside: Inside): ByteSink {
  return {
    name: String(sink.name),
    access: sink.access === 'random' ? 'random' : 'forward',
    write: (bytes, offset, signal) => inside(() => sink.write(bytes, offset, signal)),
    finish: (size, modifiedAt) => inside(() => sink.finish(size, modifiedAt)),
    abort: () => inside(() => sink.abort()).catch(() => undefined),
  };
}

function object<T extends object>(value: T | undefined | null, what: string, who: string): T {
  if (typeof value === 'object' && value !== null) return value;
  throw new AppError('bug', `${who} gives no object where ${what} was expected`, {
    hint: 'tell the author of this plugin',
  });
}
