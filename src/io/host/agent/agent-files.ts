/** Files at the far end through the helper. */
import { AppError } from '../../../model/errors.ts';
import { MiB } from '../../../model/units.ts';
import { readBytes } from '../../byte-source.ts';
import type { HostFile, HostFiles } from '../host.ts';
import { isOurs, isRenamed } from '../lost-answers.ts';
import type { Agent } from './agent.ts';
import { agentSink } from './agent-sink.ts';
import { agentSource, placed } from './agent-source.ts';
import type { Lanes } from './lanes.ts';
import { factsLayout, listAnswerBytes, op } from './protocol.ts';
import { type Facts, fileKinds, pathBytes } from './remote-file.ts';

/** `instead`: how files are reached where no helper can be started. */
export function agentFiles(lanes: Lanes, instead: HostFiles): HostFiles {
  /** By any helper; `otherwise` where there is none. `again`: the answer to a first try was lost. */
  const asking = async <T>(
    path: string,
    signal: AbortSignal | undefined,
    otherwise: () => Promise<T>,
    work: (agent: Agent, again: boolean) => Promise<T>,
  ): Promise<T> => {
    const tries = lanes.tries();
    for (let again = false; ; again = true) {
      const agent = await lanes.agent(signal);
      if (agent === undefined) return otherwise();
      try {
        return await work(agent, again);
      } catch (error) {
        await tries.failed(placed(error, `${lanes.where}:${path}`), signal);
      }
    }
  };
  const ask = (agent: Agent, code: number, payload: Uint8Array, signal: AbortSignal | undefined) =>
    agent.ask({ op: code, payload }, { signal, most: 64 * 1024 });
  const textOf = async (agent: Agent, code: number, path: string, signal: AbortSignal | undefined) =>
    (await ask(agent, code, pathBytes(path), signal)).payload.toString();
  const files: HostFiles = {
    home: (signal) =>
      asking(
        '',
        signal,
        () => instead.home(signal),
        (agent) => textOf(agent, op.home, '', signal),
      ),
    realpath: (path, signal) =>
      asking(
        path,
        signal,
        () => instead.realpath(path, signal),
        (agent) => textOf(agent, op.realpath, path, signal),
      ),
    async stat(path, signal) {
      const found = asking<HostFile | undefined>(
        path,
        signal,
        () => instead.stat(path, signal),
        async (agent) =>
          fileOf(path, factsLayout.decode((await ask(agent, op.stat, pathBytes(path), signal)).payload)),
      );
      return found.catch((error) => {
        if (error instanceof AppError && error.kind === 'not-found') return undefined;
        throw error;
      });
    },
    list: (folder, signal) =>
      asking(
        folder,
        signal,
        () => instead.list(folder, signal),
        async (agent) => {
          const request = { op: op.list, payload: pathBytes(folder) };
          const parts = await agent.askAll(request, { signal, most: listAnswerBytes });
          return parts
            .flatMap((part) => entriesIn(part, folder, `${lanes.where}:${folder}`))
            .sort((a, b) => (a.path < b.path ? -1 : 1));
        },
      ),
    open: (path, signal) =>
      asking(
        path,
        signal,
        () => instead.open(path, signal),
        (agent) => agentSource(lanes, agent, path, signal),
      ),
    async text(path, { signal, maximumBytes = MiB } = {}) {
      const source = await files.open(path, signal);
      try {
        if (source.size > maximumBytes)
          throw new AppError('unsupported', `longer than ${maximumBytes} bytes`, { where: path });
        return (await readBytes(source, 0, source.size, signal)).toString();
      } finally {
        await source.close();
      }
    },
    create: (path, options = {}) =>
      asking(
        path,
        options.signal,
        () => instead.create(path, options),
        (agent, again) =>
          agentSink(lanes, agent, path, options).catch(async (error) => {
            if (!again || !(await isOurs(files, path, error, options.signal))) throw error;
            return agentSink(lanes, agent, path, { ...options, resume: true });
          }),
      ),
    makeFolder: (path, signal) =>
      asking<unknown>(
        path,
        signal,
        () => instead.makeFolder(path, signal),
        (agent) => ask(agent, op.makeFolder, pathBytes(path), signal),
      ).then(() => undefined),
    rename: (from, to, signal) =>
      asking<unknown>(
        from,
        signal,
        () => instead.rename(from, to, signal),
        (agent, again) => {
          const payload = Buffer.concat([pathBytes(from), Buffer.alloc(1), pathBytes(to)]);
          return ask(agent, op.rename, payload, signal).catch(async (error) => {
            if (!again || !(await isRenamed(files, to, error, signal))) throw error;
          });
        },
      ).then(() => undefined),
    remove: (path, signal) =>
      asking<unknown>(
        path,
        signal,
        () => instead.remove(path, signal),
        (agent) =>
          ask(agent, op.remove, pathBytes(path), signal).catch((error) => {
            if (!(error instanceof AppError) || error.kind !== 'not-found') throw error;
          }),
      ).then(() => undefined),
  };
  return files;
}

function fileOf(path: string, { kind, size, allocatedBytes, modifiedAt }: Facts): HostFile {
  const name = fileKinds[kind] ?? 'other';
  return { path, kind: name, size, modifiedAt, ...(name === 'file' ? { allocatedBytes } : {}) };
}

/** @throws AppError `io` for what is no list. */
function entriesIn(part: Buffer, folder: string, where: string): HostFile[] {
  const found: HostFile[] = [];
  const base = folder.endsWith('/') ? folder : `${folder}/`;
  for (let at = 0; at < part.length; ) {
    const nameAt = at + factsLayout.bytes + 2;
    const length = nameAt <= part.length ? part.readUInt16BE(nameAt - 2) : 0;
    const name = part.toString('utf8', nameAt, nameAt + length);
    if (length === 0 || nameAt + length > part.length || /[/\0]/.test(name)) {
      throw new AppError('io', 'the helper there lists what can not be', { where });
    }
    found.push(fileOf(base + name, factsLayout.decode(part, at)));
    at = nameAt + length;
  }
  return found;
}
