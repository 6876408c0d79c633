/** Getting in: which methods are tried, in which order, and why none of them worked. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { AnyAuthMethod } from 'ssh2';
import { AppError, toAppError } from '../../model/errors.ts';
import { describeTarget, printable, type SshTarget } from './failures.ts';
import { readKeyFile } from './key-file.ts';

export interface SshAuth {
  /** A private key; without it the usual ones in ~/.ssh are tried. */
  readonly keyFile?: string | undefined;
  /** Socket of a running agent. */
  readonly agent?: string | undefined;
  /** Asked only when the server wants it. @throws AppError `auth` when there is none. */
  password(): Promise<string>;
  /** Asked only when the key is encrypted. @throws AppError `auth` when there is none. */
  passphrase(): Promise<string>;
}

interface Candidate {
  readonly method: 'publickey' | 'password' | 'keyboard-interactive';
  /** For the message when nobody is let in. */
  readonly label: string;
  /** Undefined when there is nothing to try. */
  make(): Promise<AnyAuthMethod | undefined>;
}

/** Where ssh itself looks. */
const usualKeys = ['id_ed25519', 'id_ecdsa', 'id_rsa'];

export class Authentication {
  readonly #target: SshTarget;
  readonly #candidates: Candidate[];
  readonly #tried: string[] = [];
  /** Why a method could not be tried. */
  readonly #reasons: AppError[] = [];
  #offered: readonly string[] = [];
  #unanswered: string | undefined;

  constructor(target: SshTarget, auth: SshAuth) {
    this.#target = target;
    this.#candidates = [
      ...keyCandidates(target, auth),
      ...passwordCandidates(target, auth, this.#noteQuestion),
    ];
  }

  /** The next method among those the server offers; undefined when there is none left. */
  async next(offered: readonly string[] | null, partial: boolean | null): Promise<AnyAuthMethod | undefined> {
    // The first question costs nothing and tells what the server offers.
    if (offered === null) return { type: 'none', username: this.#target.user };
    this.#offered = offered;
    if (!partial && this.#tried.at(-1) === 'password') this.#drop('keyboard-interactive');
    for (;;) {
      const at = this.#candidates.findIndex((c) => offered.includes(c.method));
      if (at < 0) return undefined;
      const [candidate] = this.#candidates.splice(at, 1);
      try {
        const made = await candidate!.make();
        if (made === undefined) continue;
        this.#tried.push(candidate!.label);
        return made;
      } catch (error) {
        const reason = toAppError(error);
        if (!this.#reasons.includes(reason)) this.#reasons.push(reason);
      }
    }
  }

  /** A method that broke off on our side: an agent that is gone, a key that can't sign. */
  note(error: Error): void {
    this.#reasons.push(new AppError('auth', printable(error.message), { cause: error }));
  }

  failure(): AppError {
    const { user } = this.#target;
    const tried = this.#tried.length === 0 ? 'nothing could be tried' : `tried: ${this.#tried.join(', ')}`;
    const offers =
      this.#offered.length === 0 ? '' : `; the server offers ${this.#offered.map(printable).join(', ')}`;
    const asked = this.#unanswered === undefined ? '' : `; it asks for "${this.#unanswered}"`;
    const why = this.#reasons
      .map((r) => `; ${r.where === undefined ? '' : `${r.where}: `}${r.message}`)
      .join('');
    return new AppError(
      'auth',
      `authentication: "${user}" was not let in (${tried}${offers}${asked}${why})`,
      {
        where: describeTarget(this.#target),
        hint: this.#hint(),
      },
    );
  }

  /** The same password again by another way would only count as one more wrong try. */
  #drop(method: Candidate['method']): void {
    const at = this.#candidates.findIndex((c) => c.method === method);
    if (at >= 0) this.#candidates.splice(at, 1);
  }

  #noteQuestion = (text: string): void => {
    this.#unanswered = printable(text);
  };

  #hint(): string {
    if (this.#unanswered !== undefined)
      return 'a second factor can not be given yet: use a key, or a user without one';
    const told = this.#reasons.find((r) => r.hint !== undefined)?.hint;
    if (told !== undefined) return told;
    const byPassword = this.#tried.some((t) => t === 'password' || t === 'keyboard-interactive');
    if (byPassword) return 'check the user and the password';
    return this.#offered.includes('password') || this.#offered.includes('keyboard-interactive')
      ? 'check the user; give a password or another key'
      : 'check the user; give a key that the server knows (its authorized_keys)';
  }
}

function keyCandidates({ user }: SshTarget, auth: SshAuth): Candidate[] {
  const file = (path: string, passphrase: () => Promise<string>): Candidate => ({
    method: 'publickey',
    label: `key ${path}`,
    async make() {
      return { type: 'publickey', username: user, key: await readKeyFile(path, passphrase) };
    },
  });
  const agent: Candidate[] =
    auth.agent === undefined || auth.agent === ''
      ? []
      : [
          {
            method: 'publickey',
            label: 'agent',
            make: async () => ({ type: 'agent', username: user, agent: auth.agent! }),
          },
        ];
  if (auth.keyFile !== undefined) return [file(auth.keyFile, auth.passphrase), ...agent];
  // Not asked for by name: one that is missing, or needs a passphrase that nobody gave, is no reason for anything.
  const usual = usualKeys.map((name) => {
    const candidate = file(join(homedir(), '.ssh', name), auth.passphrase);
    return { ...candidate, make: () => candidate.make().catch(() => undefined) };
  });
  return [...agent, ...usual];
}

function passwordCandidates(
  { user }: SshTarget,
  auth: SshAuth,
  unanswered: (question: string) => void,
): Candidate[] {
  let asked: Promise<string> | undefined;
  const password = () => {
    asked ??= auth.password();
    return asked;
  };
  return [
    {
      method: 'password',
      label: 'password',
      make: async () => ({ type: 'password', username: user, password: await password() }),
    },
    {
      method: 'keyboard-interactive',
      label: 'keyboard-interactive',
      async make() {
        const secret = await password();
        let given = false;
        return {
          type: 'keyboard-interactive',
          username: user,
          prompt(_name, _instructions, _language, prompts, finish) {
            // One question, its answer hidden: that is the password. What comes later is a second factor.
            if (!given && prompts.length === 1 && prompts[0]!.echo !== true) {
              given = true;
              finish([secret]);
            } else {
              if (prompts[0] !== undefined && !/password/i.test(prompts[0].prompt))
                unanswered(prompts[0].prompt);
              finish(prompts.map(() => ''));
            }
          },
        };
      },
    },
  ];
}
