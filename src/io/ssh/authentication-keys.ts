/** The keys to try, in ssh's order: those of the agent that are named, its others, then the files. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { AnyAuthMethod } from 'ssh2';
import { AppError, toAppError } from '../../model/errors.ts';
import { type AgentKey, agentKeys, fileSigner, type Signing } from './agent-keys.ts';
import type { SshAuth } from './authentication.ts';
import { printable, type SshTarget } from './failures.ts';
import { type KeyFileFace, keyFileFace, readKeyFile } from './key-file.ts';

export interface Candidate {
  readonly method: 'publickey' | 'password' | 'keyboard-interactive';
  /** For the message when nobody is let in. */
  readonly label: string;
  /** Undefined when there is nothing to try. */
  make(): Promise<AnyAuthMethod | undefined>;
}

/** Where ssh itself looks. */
const usualKeys = ['id_ed25519', 'id_ecdsa', 'id_rsa', 'id_dsa'];

interface KeyFile extends KeyFileFace {
  readonly path: string;
  /** Not asked for by name: one that is missing is no reason for anything. */
  readonly usual: boolean;
}

export async function keyCandidates(
  target: SshTarget,
  auth: SshAuth,
  signing: Signing,
  reason: (why: AppError) => void,
): Promise<Candidate[]> {
  if (auth.without?.has('publickey')) return [];
  const [agent, files] = await Promise.all([keysOfAgent(auth, signing, reason), keyFiles(auth, reason)]);
  const inAgent = (file: KeyFile): AgentKey | undefined =>
    file.publicKey && agent.find((key) => key.publicKey.equals(file.publicKey!));
  const byFile = (file: KeyFile): Candidate => {
    const key = inAgent(file);
    return key === undefined
      ? fileCandidate(target, file, auth, signing)
      : agentCandidate(target, key, `key ${file.path} (agent)`);
  };
  const first = files.filter((file) => file.path === auth.keyFile);
  const more = files.filter((file) => file.path !== auth.keyFile);
  const named = new Set(files.map(inAgent));
  const others = auth.identitiesOnly ? [] : agent.filter((key) => !named.has(key));
  return [
    ...first.map(byFile),
    ...more.filter((file) => inAgent(file) !== undefined).map(byFile),
    ...others.map((key) =>
      agentCandidate(target, key, `agent (${printable(key.comment) || 'a key without a name'})`),
    ),
    ...more.filter((file) => inAgent(file) === undefined).map(byFile),
  ];
}

async function keysOfAgent(
  { agent }: SshAuth,
  signing: Signing,
  reason: (why: AppError) => void,
): Promise<AgentKey[]> {
  if (agent === undefined || agent === '' || agent === 'none') return [];
  return agentKeys(agent, signing).catch((error) => {
    reason(toAppError(error));
    return [];
  });
}

async function keyFiles(auth: SshAuth, reason: (why: AppError) => void): Promise<KeyFile[]> {
  const named = [...(auth.keyFile === undefined ? [] : [auth.keyFile]), ...(auth.identityFiles ?? [])];
  const usual = named.length === 0;
  const paths = usual ? usualKeys.map((name) => join(homedir(), '.ssh', name)) : [...new Set(named)];
  const files = await Promise.all(
    paths.map(async (path) => {
      try {
        return [{ path, usual, ...(await keyFileFace(path)) }];
      } catch (error) {
        if (!usual) reason(toAppError(error));
        return [];
      }
    }),
  );
  return files.flat();
}

const agentCandidate = ({ user }: SshTarget, key: AgentKey, label: string): Candidate => ({
  method: 'publickey',
  label,
  make: async () => ({ type: 'agent', username: user, agent: key.signer }),
});

function fileCandidate({ user }: SshTarget, file: KeyFile, auth: SshAuth, signing: Signing): Candidate {
  const { path } = file;
  const passphrase = () => auth.passphrase(path);
  return {
    method: 'publickey',
    label: `key ${path}`,
    async make() {
      if (file.publicOnly) {
        throw new AppError('auth', 'this is a public key, and no agent has the private one', {
          where: path,
          hint: 'name the private one, without .pub, or load it into ssh-agent',
        });
      }
      const signer =
        file.encrypted && file.publicKey !== undefined
          ? fileSigner(path, file.publicKey, passphrase, signing)
          : undefined;
      if (signer !== undefined) return { type: 'agent', username: user, agent: signer };
      try {
        return { type: 'publickey', username: user, key: await readKeyFile(path, passphrase) };
      } catch (error) {
        if (file.usual) return undefined;
        throw error;
      }
    },
  };
}
