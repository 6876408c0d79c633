/** Files at the far end through the helper. */
import { AppError } from '../../../model/errors.ts';
import { MiB } from '../../../model/units.ts';
import { readBytes } from '../../byte-source.ts';
import type { HostFile, HostFiles } from '../host.ts';
import type { Agent } from './agent.ts';
import { agentSink } from './agent-sink.ts';
import { agentSource, placed } from './agent-source.ts';
import type { Lanes } from './lanes.ts';
import { factsLayout, listAnswerBytes, op } from './protocol.ts';
import { type Facts, fileKinds, pathBytes } from './remote-file.ts';

/** `instead`: how files are reached where no helper can be started. */
export function agentFiles(lanes: Lanes, instead: HostFiles): HostFiles {
  const ask = async (agent: Agent, code: number, path: string, signal: AbortSignal | undefined) => {
    try {
      return await agent.ask({ op: code, payload: pathBytes(path) }, { signal, most: 64 * 1024 });
    } catch (error) {
      throw placed(error, `${lanes.where}:${path}`);
    }
  };
  const text = async (agent: Agent, code: number, path: string, signal: AbortSignal | undefined) =>
    (await ask(agent, code, path, signal)).payload.toString();
  const files: HostFiles = {
    async home(signal) {
      const agent = await lanes.agent(signal);
      return agent === undefined ? instead.home(signal) : text(agent, op.home, '', signal);
    },
    async realpath(path, signal) {
      const agent = await lanes.agent(signal);
      return agent === undefined ? instead.realpath(path, signal) : text(agent, op.realpath, path, signal);
    },
    async stat(path, signal) {
      const agent = await lanes.agent(signal);
      if (agent === undefined) return instead.stat(path, signal);
      try {
        return fileOf(path, factsLayout.decode((await ask(agent, op.stat, path, signal)).payload));
      } catch (error) {
        if (error instanceof AppError && error.kind === 'not-found') return undefined;
        throw error;
      }
    },
    async list(folder, signal) {
      const agent = await lanes.agent(signal);
      if (agent === undefined) return instead.list(folder, signal);
      const where = `${lanes.where}:${folder}`;
      const parts = await agent
        .askAll({ op: op.list, payload: pathBytes(folder) }, { signal, most: listAnswerBytes })
        .catch((error) => {
          throw placed(error, where);
        });
      return parts
        .flatMap((part) => entriesIn(part, folder, where))
        .sort((a, b) => (a.path < b.path ? -1 : 1));
    },
    async open(path, signal) {
      const agent = await lanes.agent(signal);
      return agent === undefined ? instead.open(path, signal) : agentSource(lanes, agent, path, signal);
    },
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
    async create(path, options = {}) {
      const agent = await lanes.agent(options.signal);
      return agent === undefined ? instead.create(path, options) : agentSink(lanes, agent, path, options);
    },
    async makeFolder(path, signal) {
      const agent = await lanes.agent(signal);
      if (agent === undefined) return instead.makeFolder(path, signal);
      await ask(agent, op.makeFolder, path, signal);
    },
    async rename(from, to, signal) {
      const agent = await lanes.agent(signal);
      if (agent === undefined) return instead.rename(from, to, signal);
      const payload = Buffer.concat([pathBytes(from), Buffer.alloc(1), pathBytes(to)]);
      await agent.ask({ op: op.rename, payload }, { signal }).catch((error) => {
        throw placed(error, `${lanes.where}:${from}`);
      });
    },
    async remove(path, signal) {
      const agent = await lanes.agent(signal);
      if (agent === undefined) return instead.remove(path, signal);
      await ask(agent, op.remove, path, signal).catch((error) => {
        if (!(error instanceof AppError) || error.kind !== 'not-found') throw error;
      });
    },
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
