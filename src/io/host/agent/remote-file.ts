/** One file at the far end, opened by each helper that works on it: always the same file. */
import { AppError } from '../../../model/errors.ts';
import type { Agent } from './agent.ts';
import { factsLayout, op } from './protocol.ts';

export type Facts = ReturnType<typeof factsLayout.decode>;
export const fileKinds = ['other', 'file', 'folder', 'device'] as const;

export interface Opened {
  readonly file: number;
  readonly facts: Facts;
}

export async function openWith(
  agent: Agent,
  path: string,
  request: { readonly op: number; readonly argument: number },
  signal?: AbortSignal,
): Promise<Opened> {
  const { value, payload } = await agent.ask({ ...request, payload: pathBytes(path) }, { signal });
  return { file: value, facts: factsLayout.decode(payload) };
}

export function pathBytes(path: string): Buffer {
  if (!path.includes('\0')) return Buffer.from(path);
  throw new AppError('usage', 'a name can not have a NUL byte in it', { where: JSON.stringify(path) });
}

export class RemoteFile {
  readonly facts: Facts;
  readonly #path: string;
  readonly #where: string;
  readonly #writable: boolean;
  readonly #opened = new Map<Agent, Promise<number>>();

  constructor(path: string, where: string, first: Agent, { file, facts }: Opened, writable: boolean) {
    this.facts = facts;
    this.#path = path;
    this.#where = where;
    this.#writable = writable;
    this.#opened.set(first, Promise.resolve(file));
  }

  /** The file as this helper knows it. @throws AppError `io` when it is not the same any more. */
  on(agent: Agent): Promise<number> {
    const known = this.#opened.get(agent);
    if (known !== undefined) return known;
    for (const old of this.#opened.keys()) if (!old.alive) this.#opened.delete(old);
    const opened = this.#open(agent);
    this.#opened.set(agent, opened);
    opened.catch(() => this.#opened.delete(agent));
    return opened;
  }

  async #open(agent: Agent): Promise<number> {
    const argument = this.#writable ? 1 : 0;
    const { file, facts } = await openWith(agent, this.#path, { op: op.open, argument });
    const { device, inode, size, modifiedAt } = this.facts;
    const same = facts.device === device && facts.inode === inode;
    if (same && (this.#writable || (facts.size === size && facts.modifiedAt === modifiedAt))) return file;
    throw new AppError('io', 'the file was changed while it was in use', {
      where: this.#where,
      hint: 'stop what writes to it (a machine that runs, a copy under way) and run it again',
    });
  }

  /** Never throws. */
  async close(): Promise<void> {
    const opened = [...this.#opened];
    this.#opened.clear();
    await Promise.all(
      opened.map(async ([agent, file]) => {
        if (agent.alive) await agent.ask({ op: op.close, file: await file });
      }),
    ).catch(() => undefined); // what is not there any more is closed
  }
}
