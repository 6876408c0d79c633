/** Keys that somebody else signs with: those of a running agent, and files whose passphrase is asked only for that. */
import ssh2, { type ParsedKey, type SignCallback, type SigningRequestOptions } from 'ssh2';
import { AppError } from '../../model/errors.ts';
import { readKeyFile } from './key-file.ts';

export interface AgentKey {
  readonly publicKey: Buffer;
  /** What the agent calls it. */
  readonly comment: string;
  readonly signer: ssh2.BaseAgent;
}

/** For what happens around a signature. */
export interface Signing {
  /** Somebody may be asked now: no clock may run. */
  begins(): void;
  /** `good`: there is a signature. */
  ended(good: boolean): void;
}

/** A silent agent is given up. */
const agentMs = 5_000;

/** In the agent's order. @throws AppError `auth` when it can't be asked. */
export async function agentKeys(socket: string, signing: Signing): Promise<AgentKey[]> {
  const agent = new ssh2.OpenSSHAgent(socket);
  const failure = (cause: unknown) =>
    new AppError('auth', `the agent at ${socket} does not answer`, {
      cause,
    });
  const keys = await new Promise<ParsedKey[]>((resolve, reject) => {
    const clock = setTimeout(() => reject(failure(undefined)), agentMs);
    agent.getIdentities((error, found) => {
      clearTimeout(clock);
      if (error) reject(failure(error));
      else resolve((found ?? []) as ParsedKey[]);
    });
  });
  return keys.flatMap((key) => {
    const parsed: ParsedKey | Error = ssh2.utils.parseKey(key as never);
    if (parsed instanceof Error) return []; // a kind that ssh2 does not know, such as one of a token
    const sign: Sign = (data, options, done) => void agent.sign(key, data, options, done);
    return [
      {
        publicKey: parsed.getPublicSSH(),
        comment: parsed.comment ?? '',
        signer: new OneKey(parsed, sign, signing),
      },
    ];
  });
}

/** A file whose public half is known: the server is asked whether it takes the key before anybody is for a passphrase. */
export function fileSigner(
  path: string,
  publicKey: Buffer,
  passphrase: () => Promise<string>,
  signing: Signing,
): ssh2.BaseAgent | undefined {
  const type = publicKey.toString('latin1', 4, 4 + publicKey.readUInt32BE(0));
  const parsed: ParsedKey | Error = ssh2.utils.parseKey(`${type} ${publicKey.toString('base64')}`);
  if (parsed instanceof Error) return undefined;
  const sign: Sign = (data, { hash }, done) => {
    readKeyFile(path, passphrase).then(
      (key) => {
        const signature: Buffer | Error = key.sign(data, hash);
        if (signature instanceof Error) done(signature);
        else done(null, signature);
      },
      (error) => done(error),
    );
  };
  return new OneKey(parsed, sign, signing);
}

type Sign = (data: Buffer, options: SigningRequestOptions, done: SignCallback) => void;

class OneKey extends ssh2.BaseAgent<ParsedKey> {
  readonly #key: ParsedKey;
  readonly #sign: Sign;
  readonly #signing: Signing;

  constructor(key: ParsedKey, sign: Sign, signing: Signing) {
    super();
    this.#key = key;
    this.#sign = sign;
    this.#signing = signing;
  }

  override getIdentities(done: (error: Error | null, keys: ParsedKey[]) => void): void {
    done(null, [this.#key]);
  }

  override sign(
    _key: ParsedKey,
    data: Buffer,
    options: SigningRequestOptions | SignCallback,
    callback?: SignCallback,
  ): void {
    const [given, done] = typeof options === 'function' ? [{}, options] : [options, callback!];
    this.#signing.begins();
    this.#sign(data, given, (error, signature) => {
      this.#signing.ended(!error);
      done(error, signature);
    });
  }
}
