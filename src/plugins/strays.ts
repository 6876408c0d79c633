/**
 * Errors that nobody awaits: a rejection or a throw out of a timer in a plugin of others would end the program. What
 * comes from a plugin's folder, by its stack, is told and got over; all else goes its usual way.
 */
import { sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { toAppError } from '../model/errors.ts';

interface Watched {
  readonly name: string;
  readonly folder: string;
}

export class Strays {
  readonly #watched: Watched[] = [];
  readonly #said: { readonly name: string; readonly message: string }[] = [];
  readonly #say: (message: string) => void;
  #loading: string | undefined;
  #listening = false;

  constructor(say: (message: string) => void) {
    this.#say = say;
  }

  /** From now on what comes from this folder is got over. */
  watch(name: string, folder: string): void {
    this.#watched.push({ name, folder });
    if (this.#listening) return;
    this.#listening = true;
    for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
      process.on(event, (error: unknown) => this.#thrown(event, error));
    }
  }

  /** While one is being loaded, what has no stack is taken to be its own. */
  loading(name: string | undefined): void {
    this.#loading = name;
  }

  /** What was thrown so far out of this plugin's hands. */
  of(name: string): string | undefined {
    return this.#said.find((stray) => stray.name === name)?.message;
  }

  /** The name of the plugin that it comes from. */
  ownerOf(error: unknown): string | undefined {
    const stack = error instanceof Error ? (error.stack ?? '') : undefined;
    if (stack === undefined) return this.#loading;
    return this.#watched.find(
      ({ folder }) => stack.includes(folder + sep) || stack.includes(`${pathToFileURL(folder).href}/`),
    )?.name;
  }

  #thrown(event: 'uncaughtException' | 'unhandledRejection', error: unknown): void {
    const name = this.ownerOf(error);
    if (name !== undefined) {
      const { message } = toAppError(error);
      this.#said.push({ name, message });
      if (name !== this.#loading) this.#say(`the plugin "${name}" failed aside: ${message}`);
      return;
    }
    // As if nobody listened, where nobody else does.
    if (process.listenerCount(event) > 1) return;
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  }
}
