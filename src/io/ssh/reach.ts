/**
 * From a name to a connection, as ssh goes there: its configuration, the hosts to jump through, the command instead
 * of a socket. Each host on the way has its own configuration, key and login.
 */
import type { Duplex } from 'node:stream';
import { AppError, toAppError } from '../../model/errors.ts';
import { algorithmLists } from './algorithms.ts';
import { Answers } from './answers.ts';
import type { Prompt, SshAuth } from './authentication.ts';
import {
  type ConfigFiles,
  type HostConfig,
  type HostQuery,
  hostConfig,
  jumpList,
  parseJump,
  usualConfigFiles,
} from './config.ts';
import { connectSsh, type SshOptions } from './connect.ts';
import type { SshConnection } from './connection.ts';
import { describeTarget, type SshTarget } from './failures.ts';
import { type KnownHostsFiles, usualKnownHosts } from './known-hosts.ts';
import { proxyCommandStream } from './proxy-command.ts';

/** What is given here wins over the configuration. */
export interface SshRequest extends HostQuery {
  readonly keyFile?: string | undefined;
  /** `user@host:port,…`, `none`; empty or undefined: as configured. */
  readonly jump?: string | undefined;
  /** Old algorithms are offered too, after the current ones; to the hosts on the way, never. */
  readonly legacy?: boolean;
}

export interface SshSecrets {
  password(): Promise<string>;
  passphrase(keyFile: string): Promise<string>;
  ask?: ((prompt: Prompt) => Promise<string>) | undefined;
}

export interface ReachOptions
  extends Pick<SshOptions, 'signal' | 'confirm' | 'report' | 'timeoutMs' | 'keepAliveMs' | 'knownHosts'> {
  readonly configFiles?: ConfigFiles;
}

/** More hosts than this, and they lead in a circle. */
const mostHops = 8;

/** @throws AppError `usage`, `unreachable`, `auth`, `cancelled`; it says which host and which step. */
export async function reachHost(
  request: SshRequest,
  secrets: SshSecrets,
  options: ReachOptions,
): Promise<SshConnection> {
  const config = await configOf(request, options);
  const jump = request.jump?.trim() ?? '';
  const jumps = jump === '' ? undefined : jumpList(jump);
  const auth: SshAuth = {
    ...authOf(config),
    keyFile: request.keyFile,
    password: () => secrets.password(),
    passphrase: (file) => secrets.passphrase(file),
    ask: secrets.ask,
  };
  const via = await wayTo(config, jumps, secrets, options, 0);
  return connectSsh(targetOf(config), auth, connectOptions(config, options, via, request.legacy === true));
}

async function configOf(query: HostQuery, options: ReachOptions): Promise<HostConfig> {
  const config = await hostConfig(query, options.configFiles ?? usualConfigFiles());
  for (const note of config.notes) options.report?.(note);
  return config;
}

const targetOf = ({ host, port, user, hostKeyAlias }: HostConfig): SshTarget => ({
  host,
  port,
  user,
  ...(hostKeyAlias === undefined ? {} : { keyAlias: hostKeyAlias }),
});

const authOf = (config: HostConfig) => ({
  identityFiles: config.identityFiles,
  identitiesOnly: config.identitiesOnly,
  agent: config.identityAgent ?? process.env.SSH_AUTH_SOCK,
  without: config.without,
});

type Way = SshOptions['via'];

function connectOptions(config: HostConfig, options: ReachOptions, via: Way, legacy: boolean): SshOptions {
  const {
    signal,
    confirm,
    report,
    timeoutMs = config.connectTimeoutMs,
    keepAliveMs = config.keepAliveMs,
  } = options;
  const { family, localAddress } = config;
  return {
    confirm,
    strict: config.strict,
    algorithms: algorithmLists(legacy, config.algorithms),
    knownHosts: options.knownHosts ?? knownHostsOf(config),
    ...(signal === undefined ? {} : { signal }),
    ...(report === undefined ? {} : { report }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
    ...(via === undefined ? {} : { via }),
    ...(family === undefined ? {} : { family }),
    ...(localAddress === undefined ? {} : { localAddress }),
  };
}

function knownHostsOf({ userKnownHosts, globalKnownHosts, hashKnownHosts }: HostConfig): KnownHostsFiles {
  const usual = usualKnownHosts();
  const [user = '/dev/null', ...more] = userKnownHosts ?? [usual.user];
  return { user, system: [...more, ...(globalKnownHosts ?? usual.system)], hash: hashKnownHosts };
}

/** Undefined: straight from here. `jumps` is what was given for this host, undefined where its configuration decides. */
async function wayTo(
  config: HostConfig,
  jumps: readonly string[] | undefined,
  secrets: SshSecrets,
  options: ReachOptions,
  depth: number,
): Promise<Way> {
  const { proxyCommand } = config;
  if (jumps === undefined && proxyCommand !== undefined) return async () => proxyCommandStream(proxyCommand);
  const all = jumps ?? config.jumps;
  const last = all.at(-1);
  if (last === undefined) return undefined;
  if (depth >= mostHops) {
    throw new AppError('usage', 'ProxyJump: the hosts lead to one another without end', {
      where: describeTarget(targetOf(config)),
      hint: 'check the lines with ProxyJump in your configuration of ssh',
    });
  }
  const hop = await configOf(parseJump(last), options);
  // `Host *` with a ProxyJump is meant for all but the host that it names.
  if (hop.host === config.host && hop.port === config.port) return undefined;
  const before = all.length > 1 ? all.slice(0, -1) : undefined;
  const via = await wayTo(hop, before, secrets, options, depth + 1);
  // The same answers for each further connection.
  const auth = new Answers(hopAuth(hop, secrets));
  const { signal: _, ...rest } = connectOptions(hop, options, via, false);
  return (signal) =>
    throughHop(hop, targetOf(config), auth, signal === undefined ? rest : { ...rest, signal });
}

/** A stream to the target from the host between; the connection to that one ends with the stream. */
async function throughHop(
  hop: HostConfig,
  target: SshTarget,
  auth: SshAuth,
  options: SshOptions,
): Promise<Duplex> {
  const name = describeTarget(targetOf(hop));
  let connection: SshConnection | undefined;
  try {
    connection = await connectSsh(targetOf(hop), auth, options);
    const between = connection;
    const stream = await between.forward(target.host, target.port, options.signal);
    stream.once('close', () => void between.close());
    void between.lost.then((why) => {
      stream.emit('error', new Error(`jump host ${name}: ${why.message}`)); // ssh2's destroy() takes no reason
      stream.destroy();
    });
    return stream;
  } catch (error) {
    await connection?.close();
    const { kind, message, where, hint } = toAppError(error);
    // Of several hosts the innermost one has said it already.
    const told = message.startsWith('jump host ') ? message : `jump host ${name}: ${message}`;
    throw new AppError(kind, told, {
      cause: error,
      ...(where === undefined ? {} : { where }),
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

/** A host between is entered by keys; its password is not the last one's, so it is asked for by name. */
function hopAuth(hop: HostConfig, secrets: SshSecrets): SshAuth {
  const name = describeTarget(targetOf(hop));
  const { ask } = secrets;
  return {
    ...authOf(hop),
    ask,
    passphrase: (file) => secrets.passphrase(file),
    async password() {
      if (ask !== undefined) return ask({ text: `Password of the jump host ${name}`, hidden: true });
      throw new AppError('auth', 'there is no password for a jump host', {
        hint: 'log in there by a key or an agent: ssh-copy-id, and IdentityFile in your configuration of ssh',
      });
    },
  };
}
