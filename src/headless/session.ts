/** A dispatcher for one command: connected to what the user named, ended whatever happens. */
import { stat } from 'node:fs/promises';
import { codecs } from '../codecs/registry.ts';
import { type Composed, compose } from '../compose.ts';
import { AppError } from '../model/errors.ts';
import { parsePartition, parseWindow } from '../model/window.ts';
import type { Dispatcher } from '../state/dispatcher.ts';
import { destinationSecret } from '../state/effects/connection.ts';
import type { CommonOptions } from './common-options.ts';
import {
  knowEnvironment,
  type NamedEnvironment,
  namedEnvironment,
  type SourceOptions,
  settingsOf,
} from './environment-options.ts';
import { askOnTerminal } from './terminal-question.ts';

/** Runs `work` with a dispatcher that is terminated afterwards; signals cancel what runs. */
export async function withDispatcher<T>(
  options: CommonOptions,
  work: (composed: Composed) => Promise<T>,
  answering: (dispatcher: Dispatcher) => void = answerQuestions,
): Promise<T> {
  const canAnswer =
    process.stdin.isTTY === true && process.stderr.isTTY === true && !options.json && !options.quiet;
  const composed = await compose({
    canAsk: false,
    canAnswer,
    say: (text) => void process.stderr.write(`vmferry: ${text}\n`),
    secretReferences: secretReferences([
      ...(options.identity === undefined ? [] : [`identity=file:${options.identity}`]),
      ...(options.secret ?? []),
      ...(options.toSecret ?? []).map((text) => destinationSecret(text)),
    ]),
    vaultPassphrase: options.vaultPassphrase,
  });
  const { dispatcher } = composed;
  let stops = 0;
  const stop = (signal: NodeJS.Signals) => {
    stops++;
    // The second one doesn't wait for what was written to be removed.
    if (stops > 1) process.exit(130);
    // Who presses Ctrl+C wants nothing of it; a terminal that is gone, or a computer that goes down, is no such wish.
    // What does not let go in time (a read from a dead network mount) is left to its fate.
    void dispatcher
      .perform({ type: 'terminate', ...(signal === 'SIGINT' ? {} : { keep: true as const }) })
      .then(() => setTimeout(() => process.exit(130), 1000).unref());
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, stop);
  answering(dispatcher);
  try {
    return await work(composed);
  } finally {
    await dispatcher.perform({ type: 'terminate' });
    for (const signal of signals) process.off(signal, stop);
  }
}

/**
 * Yes or no is not for a command to say: the answer is no, and what was asked is in the error that follows. A line,
 * such as a one-time code, is asked for on the terminal; without one nothing asks for it.
 */
function answerQuestions(dispatcher: Dispatcher): void {
  let withdrawn = new AbortController();
  dispatcher.watch((event) => {
    if (event.type !== 'question') return;
    withdrawn.abort();
    withdrawn = new AbortController();
    const { question } = event;
    if (question === undefined) return;
    const { id, entry } = question;
    if (entry === undefined) return void dispatcher.perform({ type: 'answer', id, yes: false });
    const answered = askOnTerminal(question, { signal: withdrawn.signal });
    void answered.then((text) =>
      dispatcher.perform({
        type: 'answer',
        id,
        yes: text !== undefined,
        ...(text === undefined ? {} : { text }),
      }),
    );
  });
}

function secretReferences(given: readonly string[]): Map<string, string> {
  return new Map(
    given.map((text) => {
      const at = text.indexOf('=');
      if (at <= 0) {
        throw new AppError('usage', '--secret takes FIELD=REFERENCE', {
          hint: 'such as --secret password=env:NAME',
        });
      }
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

export interface NamedImage extends NamedEnvironment {
  readonly machine: string;
  /** It is asked for by what people call it; on this computer alone a path is the only name. */
  readonly byName: boolean;
}

/** What IMAGE on the command line means: a path that exists, else PROFILE:MACHINE, else a path. */
export async function resolveImage(
  composed: Composed,
  image: string,
  options: SourceOptions = {},
): Promise<NamedImage> {
  const named = await namedEnvironment(composed, '', options.profile, options.env);
  if (named !== undefined) return { ...named, machine: image, byName: true };
  const { services } = composed;
  const exists = await stat(image).then(
    () => true,
    () => false,
  );
  const colon = image.indexOf(':');
  if (!exists && colon > 0) {
    const name = image.slice(0, colon);
    const profile = (await services.profiles.list()).find((p) => p.name === name);
    if (profile !== undefined) {
      const { id, environment } = profile;
      return { environment, profile: id, machine: image.slice(colon + 1), byName: true };
    }
  }
  return { environment: 'local', machine: image, byName: false };
}

/** Where the image is and how it is to be opened. */
export interface Trust extends SourceOptions {
  readonly follow?: boolean;
  readonly from?: string;
  readonly snapshot?: string;
  readonly window?: string;
  readonly partition?: string;
  readonly partitionTable?: string;
  /** What is packed is unpacked for a look at all of it. */
  readonly whole?: boolean;
}

function knownFormat(format: string): string {
  const known = codecs.map((codec) => codec.id);
  if (known.includes(format)) return format;
  throw new AppError('usage', `--from ${format}: no disk format known here`, {
    hint: `known are: ${known.join(', ')}`,
  });
}

function refuseBadRange({ window, partition }: Trust): void {
  if (window !== undefined) parseWindow(window);
  if (partition !== undefined) parsePartition(partition);
  if (window !== undefined && partition !== undefined)
    throw new AppError('usage', '--window and --partition can not both be given');
}

/** Connects to where the image is; resolves to the machine's name there. @throws AppError */
export async function connectTo(composed: Composed, image: string, trust: Trust): Promise<string> {
  const { dispatcher } = composed;
  refuseBadRange(trust);
  const { environment, profile, machine, byName } = await resolveImage(composed, image, trust);
  await knowEnvironment(composed, environment);
  await dispatcher.perform({
    type: 'connect',
    environment,
    ...(profile === undefined ? {} : { profile }),
    settings: {
      ...settingsOf(composed, environment, 'setting', trust.setting),
      ...(trust.follow === true ? { follow: 'yes' } : {}),
      ...(trust.from === undefined ? {} : { from: knownFormat(trust.from) }),
      ...(trust.snapshot === undefined ? {} : { snapshot: trust.snapshot }),
      ...(trust.window === undefined ? {} : { window: trust.window }),
      ...(trust.partition === undefined ? {} : { partition: trust.partition }),
      ...(trust.partitionTable === undefined ? {} : { table: trust.partitionTable }),
      ...(trust.whole === true ? { whole: 'yes' } : {}),
    },
  });
  return byName ? idOf(composed, machine) : machine;
}

async function idOf({ dispatcher }: Composed, name: string): Promise<string> {
  let id = name;
  const stop = dispatcher.watch((event) => {
    if (event.type === 'machine-named') id = event.id;
  });
  await dispatcher.perform({ type: 'find-machine', name }).finally(stop);
  return id;
}

/** Connects and adds the machine; resolves to its id. Nothing is selected yet. @throws AppError */
export async function addImage(composed: Composed, image: string, trust: Trust): Promise<string> {
  const { dispatcher } = composed;
  const id = await connectTo(composed, image, trust);
  await dispatcher.perform({ type: 'add-machine', id, select: false });
  return dispatcher.getState().machines.items.at(-1)!.machine.id;
}
