/**
 * What ~/.ssh/config and /etc/ssh/ssh_config say of a host, as ssh(1) reads them (ssh_config(5)): the first value of a
 * keyword wins, IdentityFile adds up. `Match` knows `all`, `host`, `originalhost`, `user` and `localuser`; a block
 * with another condition is passed over, and said so.
 */
import { homedir, hostname, userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { AppError } from '../../model/errors.ts';
import { type ConfigLine, configLines, includedFiles, matchesList } from './config-lines.ts';

export interface ConfigFiles {
  readonly user: string;
  readonly system: string;
}

export const usualConfigFiles = (): ConfigFiles => ({
  user: join(homedir(), '.ssh', 'config'),
  system: '/etc/ssh/ssh_config',
});

/** What is asked for; what is given here wins over the files. */
export interface HostQuery {
  /** A name, an address or an alias of the files. */
  readonly host: string;
  readonly port?: number | undefined;
  readonly user?: string | undefined;
}

export type Strictness = 'yes' | 'accept-new' | 'ask';
export type AlgorithmKind = 'kex' | 'hostKey' | 'cipher' | 'mac';

export interface HostConfig {
  /** As it was asked for. */
  readonly alias: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly identityFiles: readonly string[];
  readonly identitiesOnly: boolean;
  /** A socket; `none`: no agent. Undefined: the usual one. */
  readonly identityAgent?: string;
  /** What the files don't allow: `publickey`, `password`, `keyboard-interactive`. */
  readonly without: ReadonlySet<string>;
  /** `user@host:port` or aliases, in the order in which they are passed. */
  readonly jumps: readonly string[];
  /** A command for the shell; its streams are the connection. */
  readonly proxyCommand?: string;
  readonly connectTimeoutMs?: number;
  readonly keepAliveMs?: number;
  readonly family?: 4 | 6;
  readonly localAddress?: string;
  readonly userKnownHosts?: readonly string[];
  readonly globalKnownHosts?: readonly string[];
  readonly hashKnownHosts: boolean;
  /** The name under which the host's key is known. */
  readonly hostKeyAlias?: string;
  readonly strict: Strictness;
  /** Lists as they stand: names with patterns, the first one perhaps with `+`, `-` or `^`. */
  readonly algorithms: Partial<Record<AlgorithmKind, string>>;
  /** What was passed over, for the screen. */
  readonly notes: readonly string[];
}

/** @throws AppError `usage` for a value that can't be understood, with its file and line. */
export async function hostConfig(
  query: HostQuery,
  files: ConfigFiles = usualConfigFiles(),
): Promise<HostConfig> {
  const reader = new Reader(query);
  await reader.file(files.user, { depth: 0, active: true, base: dirname(files.user), isUser: true });
  await reader.file(files.system, { depth: 0, active: true, base: dirname(files.system), isUser: false });
  return settled(query, reader);
}

/** ssh's own bound. */
const deepestInclude = 16;

interface Place {
  readonly depth: number;
  readonly active: boolean;
  /** Where a relative `Include` starts. */
  readonly base: string;
  readonly isUser: boolean;
}

class Reader {
  readonly #query: HostQuery;
  readonly first = new Map<string, ConfigLine>();
  readonly identityFiles: ConfigLine[] = [];
  readonly notes: string[] = [];

  constructor(query: HostQuery) {
    this.#query = query;
  }

  async file(path: string, place: Place): Promise<void> {
    let active = place.active;
    for (const line of await configLines(path, place.isUser)) {
      if (line.keyword === 'host') active = place.active && matchesList(line.args, this.#query.host);
      else if (line.keyword === 'match') active = place.active && this.#matches(line);
      else if (line.keyword === 'include') await this.#include(line, { ...place, active });
      else if (active) this.#take(line);
    }
  }

  async #include(line: ConfigLine, place: Place): Promise<void> {
    if (place.depth >= deepestInclude) {
      throw new AppError('usage', 'Include: the files include one another without end', {
        where: line.where,
      });
    }
    for (const pattern of line.args) {
      const files = await includedFiles(pattern, { home: homedir(), base: place.base });
      for (const file of files) await this.file(file, { ...place, depth: place.depth + 1 });
    }
  }

  #take(line: ConfigLine): void {
    if (line.keyword === 'identityfile') this.identityFiles.push(line);
    // Whichever of the two comes first keeps the other out.
    const key = line.keyword === 'proxyjump' || line.keyword === 'proxycommand' ? 'proxy' : line.keyword;
    if (!this.first.has(key)) this.first.set(key, line);
  }

  #matches(line: ConfigLine): boolean {
    const words = line.args.flatMap((arg) => {
      const [, name, value] = /^(!?[a-z]+)=(.*)$/i.exec(arg) ?? [];
      return name === undefined ? [arg] : [name, value!];
    });
    let all = true;
    for (let at = 0; at < words.length; at++) {
      const negated = words[at]!.startsWith('!');
      const condition = words[at]!.slice(negated ? 1 : 0).toLowerCase();
      if (condition === 'all') continue;
      const subject = this.#subject(condition);
      if (subject === undefined) {
        this.notes.push(
          `${line.where}: "Match ${condition}" is not understood here: the block is passed over`,
        );
        return false;
      }
      const patterns = (words[++at] ?? '').split(',');
      if (matchesList(patterns, subject) === negated) all = false;
    }
    return all;
  }

  #subject(condition: string): string | undefined {
    const { host, user } = this.#query;
    switch (condition) {
      case 'host':
        return (this.first.get('hostname')?.args[0] ?? host).replaceAll('%h', host);
      case 'originalhost':
        return host;
      case 'user':
        return user ?? this.first.get('user')?.args[0] ?? ownName();
      case 'localuser':
        return ownName();
      default:
        return undefined;
    }
  }
}

function settled(query: HostQuery, { first, identityFiles, notes }: Reader): HostConfig {
  const word = (key: string): string | undefined => first.get(key)?.args[0];
  const named = first.get('hostname');
  const host = named === undefined ? query.host : expand(named.args[0]!, { h: query.host }, named);
  const port = query.port ?? portIn(first.get('port')) ?? 22;
  const user = query.user ?? word('user') ?? ownName();
  const hostKeyAlias = word('hostkeyalias');
  const tokens = tokensOf({ host, port, user, alias: query.host, hostKeyAlias });
  const path = (text: string, line: ConfigLine) => expandPath(text, tokens, line);
  const list = (key: string) => {
    const line = first.get(key);
    if (line === undefined) return undefined;
    return line.args.filter((arg) => arg !== 'none').map((arg) => path(arg, line));
  };
  const isNo = (key: string) => word(key)?.toLowerCase() === 'no';
  const isYes = (key: string) => ['yes', 'true'].includes(word(key)?.toLowerCase() ?? '');
  const agent = first.get('identityagent');
  for (const key of ['certificatefile', 'proxyusefdpass']) {
    const line = first.get(key);
    if (line !== undefined && !isNo(key)) notes.push(`${line.where}: this is not understood here`);
  }
  return {
    alias: query.host,
    host,
    port,
    user,
    identityFiles: identityFiles
      .filter((line) => line.args[0] !== 'none')
      .map((line) => path(line.args[0]!, line))
      .filter((file, index, all) => all.indexOf(file) === index),
    identitiesOnly: isYes('identitiesonly'),
    ...defined({ identityAgent: agent && agentSocket(agent, path) }),
    without: new Set([
      ...(isNo('pubkeyauthentication') ? ['publickey'] : []),
      ...(isNo('passwordauthentication') ? ['password'] : []),
      ...(isNo('kbdinteractiveauthentication') ? ['keyboard-interactive'] : []),
    ]),
    ...proxyOf(first.get('proxy'), tokens),
    ...defined({
      connectTimeoutMs: milliseconds(first.get('connecttimeout')),
      keepAliveMs: milliseconds(first.get('serveraliveinterval')),
      family: { inet: 4 as const, inet6: 6 as const }[word('addressfamily')?.toLowerCase() ?? ''],
      localAddress: word('bindaddress'),
      userKnownHosts: list('userknownhostsfile'),
      globalKnownHosts: list('globalknownhostsfile'),
      hostKeyAlias,
    }),
    hashKnownHosts: isYes('hashknownhosts'),
    strict: strictness(first.get('stricthostkeychecking'), notes),
    algorithms: defined({
      kex: word('kexalgorithms'),
      hostKey: word('hostkeyalgorithms'),
      cipher: word('ciphers'),
      mac: word('macs'),
    }),
    notes,
  };
}

/** Without the keys that have no value. */
function defined<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as never;
}

function portIn(line: ConfigLine | undefined): number | undefined {
  if (line === undefined) return undefined;
  const port = Number(line.args[0]);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new AppError('usage', `"${line.args[0]}" is not a port`, { where: line.where });
}

/** Seconds, or `1m30s`; undefined for `none` and 0. */
function milliseconds(line: ConfigLine | undefined): number | undefined {
  const text = line?.args[0]?.toLowerCase();
  if (line === undefined || text === undefined || text === 'none') return undefined;
  if (!/^(\d{1,7}[smhdw]?)+$/.test(text)) {
    throw new AppError('usage', `"${text}" is not a time`, { where: line.where, hint: 'give seconds' });
  }
  const unit: Record<string, number> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
  let seconds = 0;
  for (const [, count, name] of text.matchAll(/(\d+)([smhdw]?)/g)) seconds += Number(count) * unit[name!]!;
  return seconds === 0 ? undefined : Math.min(seconds, 86_400) * 1000;
}

function strictness(line: ConfigLine | undefined, notes: string[]): Strictness {
  const word = line?.args[0]?.toLowerCase();
  if (word === 'yes' || word === 'true') return 'yes';
  if (word === 'accept-new') return 'accept-new';
  if (word === 'no' || word === 'off' || word === 'false') {
    notes.push(`${line!.where}: "StrictHostKeyChecking ${word}" is not honoured: unknown keys are asked for`);
  }
  return 'ask';
}

function agentSocket(line: ConfigLine, path: (text: string, line: ConfigLine) => string): string | undefined {
  const text = line.args[0]!;
  if (text === 'none') return 'none';
  if (text === 'SSH_AUTH_SOCK') return undefined;
  const [, name] = /^\$(\w+)$/.exec(text) ?? [];
  return name === undefined ? path(text, line) : process.env[name];
}

function proxyOf(
  line: ConfigLine | undefined,
  tokens: Record<string, string>,
): { jumps: readonly string[]; proxyCommand?: string } {
  if (line === undefined || line.args[0]!.toLowerCase() === 'none') return { jumps: [] };
  if (line.keyword === 'proxyjump') {
    return { jumps: jumpList(expand(line.args[0]!, tokens, line)) };
  }
  // It goes to a shell: a name with its characters would be a command of its own. OpenSSH refuses it, too.
  for (const value of [tokens.h!, tokens.n!, tokens.r!]) {
    if (/^-|[`'"$\\;&<>|(){}\s]/.test(value)) {
      throw new AppError('usage', `"${value}" can not be put into a ProxyCommand`, { where: line.where });
    }
  }
  return { jumps: [], proxyCommand: expand(line.rest, tokens, line) };
}

/** `a,user@b:2222` in the order in which they are passed. */
export const jumpList = (text: string): string[] =>
  text.trim().toLowerCase() === 'none'
    ? []
    : text
        .split(',')
        .map((j) => j.trim())
        .filter((j) => j !== '');

/** A jump as ssh writes it: `[user@]host[:port]`, an address of IPv6 in brackets, or `ssh://…`. */
export function parseJump(text: string): HostQuery {
  const plain = text.replace(/^ssh:\/\//i, '').replace(/\/$/, '');
  const found = /^(?:(.+)@)?(\[[^\]]+\]|[^:@[\]]+)(?::(\d+))?$/.exec(plain);
  const port = found?.[3] === undefined ? undefined : Number(found[3]);
  if (found === null || (port !== undefined && (port < 1 || port > 65_535)) || /[\s/\0]|^-/.test(found[2]!)) {
    throw new AppError('usage', `"${text}" is not a host to jump through`, {
      hint: 'write user@host:port, or a name from your configuration of ssh',
    });
  }
  return { host: found[2]!.replace(/^\[(.*)\]$/, '$1'), ...defined({ user: found[1], port }) };
}

interface TokenSource {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly alias: string;
  readonly hostKeyAlias: string | undefined;
}

/** ssh_config(5), TOKENS; `%C` and those of a known key are not there. */
function tokensOf({ host, port, user, alias, hostKeyAlias }: TokenSource): Record<string, string> {
  const own = hostname();
  return {
    d: homedir(),
    h: host,
    i: String(process.getuid?.() ?? ''),
    k: hostKeyAlias ?? alias,
    L: own.split('.')[0]!,
    l: own,
    n: alias,
    p: String(port),
    r: user,
    u: ownName(),
  };
}

function expand(text: string, tokens: Record<string, string>, line: ConfigLine): string {
  return text.replace(/%(.?)/g, (_, token: string) => {
    const value = token === '%' ? '%' : tokens[token];
    if (value !== undefined) return value;
    throw new AppError(
      'usage',
      `"%${token}" is not known here`,
      line === undefined ? {} : { where: line.where },
    );
  });
}

/** `~`, `${NAME}` and tokens. */
function expandPath(text: string, tokens: Record<string, string>, line: ConfigLine): string {
  const named = text.replace(/\$\{(\w+)\}/g, (_, name: string) => {
    const value = process.env[name];
    if (value !== undefined) return value;
    throw new AppError('usage', `the variable ${name} is not set`, { where: line.where });
  });
  const full = expand(named, tokens, line);
  if (full === '~' || full.startsWith('~/')) return join(homedir(), full.slice(1));
  return resolve(full);
}

/** @throws AppError `usage`. */
export function ownName(): string {
  try {
    return userInfo().username;
  } catch (cause) {
    throw new AppError('usage', 'the user is missing, and this computer has no name for its own', { cause });
  }
}
