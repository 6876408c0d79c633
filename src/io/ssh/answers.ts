/** What was asked once and holds for further connections to the same place: secrets, and keys that were accepted. */
import type { Prompt, SshAuth } from './authentication.ts';

export class Answers implements SshAuth {
  readonly #auth: SshAuth;
  readonly #acceptedKeys = new Set<string>();
  readonly #passphrases = new Map<string, Promise<string>>();
  #password: Promise<string> | undefined;
  #asked = false;
  readonly keyFile;
  readonly identityFiles;
  readonly identitiesOnly;
  readonly agent;
  readonly without;
  readonly ask;

  constructor(auth: SshAuth) {
    this.#auth = auth;
    this.keyFile = auth.keyFile;
    this.identityFiles = auth.identityFiles ?? [];
    this.identitiesOnly = auth.identitiesOnly ?? false;
    this.agent = auth.agent;
    this.without = auth.without ?? new Set<string>();
    const { ask } = auth;
    this.ask =
      ask &&
      ((prompt: Prompt) => {
        this.#asked = true;
        return ask(prompt);
      });
  }

  /** The server had questions of its own, such as a code: what was answered does not hold for a further connection. */
  get asked(): boolean {
    return this.#asked;
  }

  password(): Promise<string> {
    this.#password ??= this.#auth.password();
    return this.#password;
  }

  passphrase(keyFile: string): Promise<string> {
    const told = this.#passphrases.get(keyFile) ?? this.#auth.passphrase(keyFile);
    this.#passphrases.set(keyFile, told);
    return told;
  }

  accepts(key: Buffer): boolean {
    return this.#acceptedKeys.has(key.toString('base64'));
  }

  accept(key: Buffer): void {
    this.#acceptedKeys.add(key.toString('base64'));
  }
}
