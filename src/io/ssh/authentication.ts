/** Getting in: which methods are tried, in which order, and why none of them worked. */
import type { AnyAuthMethod } from 'ssh2';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Signing } from './agent-keys.ts';
import { type Candidate, keyCandidates } from './authentication-keys.ts';
import { describeTarget, printable, type SshTarget } from './failures.ts';

/** A line that somebody is asked for. */
export interface Prompt {
  readonly text: string;
  /** What is typed is not shown. */
  readonly hidden: boolean;
}

export interface SshAuth {
  /** A private key, tried first. */
  readonly keyFile?: string | undefined;
  /** More of them; without any the usual ones in ~/.ssh are tried. */
  readonly identityFiles?: readonly string[];
  /** Of the agent's keys only those whose file is named are tried. */
  readonly identitiesOnly?: boolean;
  /** Socket of a running agent. */
  readonly agent?: string | undefined;
  /** Methods that are not to be tried. */
  readonly without?: ReadonlySet<string>;
  /** Asked only when the server wants it. @throws AppError `auth` when there is none. */
  password(): Promise<string>;
  /** Asked only when the key is encrypted. @throws AppError `auth` when there is none. */
  passphrase(keyFile: string): Promise<string>;
  /** The server's own questions, such as a code; absent where nobody can be asked. */
  ask?: ((prompt: Prompt) => Promise<string>) | undefined;
}

/** The clock of the host stands still while somebody else is waited for. */
export interface Clock {
  stop(): void;
  start(): void;
}

export class Authentication {
  readonly #target: SshTarget;
  readonly #auth: SshAuth;
  readonly #clock: Clock;
  readonly #tried: string[] = [];
  /** Why a method could not be tried. */
  readonly #reasons: AppError[] = [];
  #candidates: Promise<Candidate[]> | undefined;
  #offered: readonly string[] = [];
  #unanswered: string | undefined;
  /** The last candidate was a signer's, and it has signed. */
  #signed = false;

  constructor(target: SshTarget, auth: SshAuth, clock: Clock) {
    this.#target = target;
    this.#auth = auth;
    this.#clock = clock;
  }

  /** The next method among those the server offers; undefined when there is none left. */
  async next(offered: readonly string[] | null, partial: boolean | null): Promise<AnyAuthMethod | undefined> {
    // The first question costs nothing and tells what the server offers.
    if (offered === null) return { type: 'none', username: this.#target.user };
    this.#offered = offered;
    this.#candidates ??= this.#gather();
    const candidates = await this.#candidates;
    const wanted = this.#wanted(offered);
    if (!partial && this.#tried.at(-1) === 'password') drop(candidates, 'keyboard-interactive');
    for (;;) {
      const at = candidates.findIndex((c) => wanted.includes(c.method));
      if (at < 0) return undefined;
      const [candidate] = candidates.splice(at, 1);
      try {
        const made = await candidate!.make();
        if (made === undefined) continue;
        this.#tried.push(candidate!.label);
        return made;
      } catch (error) {
        this.#reason(toAppError(error));
      }
    }
  }

  /**
   * After a signer's key ssh2 does not pass on what the server said: the lists are those of before. A good signature
   * that was not enough means that something else is wanted as well.
   */
  #wanted(offered: readonly string[]): readonly string[] {
    const signed = this.#signed;
    this.#signed = false;
    return signed ? [...offered, 'password', 'keyboard-interactive'] : offered;
  }

  async #gather(): Promise<Candidate[]> {
    const signing: Signing = {
      begins: () => this.#clock.stop(),
      ended: (good) => {
        this.#signed = good;
        this.#clock.start();
      },
    };
    const keys = await keyCandidates(this.#target, this.#auth, signing, (reason) => this.#reason(reason));
    const all = [...keys, ...this.#passwordCandidates()];
    return all.filter((candidate) => this.#auth.without?.has(candidate.method) !== true);
  }

  /** A method that broke off on our side: an agent that is gone, a key that can't sign. */
  note(error: Error): void {
    this.#reason(
      error instanceof AppError ? error : new AppError('auth', printable(error.message), { cause: error }),
    );
  }

  #reason(reason: AppError): void {
    if (this.#reasons.some((r) => r.message === reason.message && r.where === reason.where)) return;
    this.#reasons.push(reason);
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

  #hint(): string {
    if (this.#unanswered !== undefined) {
      return 'a second factor can not be given here: use a key, or the full-screen program, which can ask';
    }
    const told = this.#reasons.find((r) => r.hint !== undefined)?.hint;
    if (told !== undefined) return told;
    const byPassword = this.#tried.some((t) => t === 'password' || t === 'keyboard-interactive');
    if (byPassword) return 'check the user and the password';
    return this.#offered.includes('password') || this.#offered.includes('keyboard-interactive')
      ? 'check the user; give a password or another key'
      : 'check the user; give a key that the server knows (its authorized_keys)';
  }

  #passwordCandidates(): Candidate[] {
    const { user } = this.#target;
    let asked: Promise<string> | undefined;
    const password = () => {
      asked ??= this.#auth.password();
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
        make: async () => {
          const answers = new Questions(this.#auth, await this.#secretFor(password), (question) => {
            this.#unanswered = printable(question);
          });
          return {
            type: 'keyboard-interactive',
            username: user,
            prompt: (name, instructions, _language, prompts, finish) => {
              this.#clock.stop();
              answers
                .to([name, instructions], prompts)
                .catch((error) => {
                  this.#reason(toAppError(error));
                  return prompts.map(() => '');
                })
                .then((given) => {
                  this.#clock.start();
                  finish(given);
                });
            },
          };
        },
      },
    ];
  }

  /** Where there is no password but somebody to be asked, the server's questions are asked as they come. */
  async #secretFor(password: () => Promise<string>): Promise<string | undefined> {
    try {
      return await password();
    } catch (error) {
      if (this.#auth.ask === undefined) throw error;
      return undefined;
    }
  }
}

/** The same password again by another way would only count as one more wrong try. */
function drop(candidates: Candidate[], method: Candidate['method']): void {
  const at = candidates.findIndex((c) => c.method === method);
  if (at >= 0) candidates.splice(at, 1);
}

interface Question {
  readonly prompt: string;
  readonly echo?: boolean | undefined;
}

/** The answers of keyboard-interactive (RFC 4256). */
class Questions {
  readonly #auth: SshAuth;
  readonly #unanswered: (question: string) => void;
  #password: string | undefined;

  constructor(auth: SshAuth, password: string | undefined, unanswered: (question: string) => void) {
    this.#auth = auth;
    this.#password = password;
    this.#unanswered = unanswered;
  }

  async to(intro: readonly string[], questions: readonly Question[]): Promise<string[]> {
    const { ask } = this.#auth;
    // One question, its answer hidden: that is the password, unless it says otherwise. What comes later is more.
    const [only] = questions;
    if (this.#password !== undefined && questions.length === 1 && only!.echo !== true && !isCode(only!)) {
      const password = this.#password;
      this.#password = undefined;
      return [password];
    }
    if (ask === undefined) {
      const other = questions.find((q) => !/password/i.test(q.prompt));
      if (other !== undefined) this.#unanswered(other.prompt);
      return questions.map(() => '');
    }
    const answers: string[] = [];
    for (const { prompt, echo } of questions) {
      const text = [...(answers.length === 0 ? intro : []), prompt].map(printable).filter((t) => t !== '');
      answers.push(await ask({ text: text.join(' '), hidden: echo !== true }));
    }
    return answers;
  }
}

const isCode = ({ prompt }: Question): boolean =>
  /verification|one.?time|otp|token|code|passcode/i.test(prompt) && !/password:/i.test(prompt);
