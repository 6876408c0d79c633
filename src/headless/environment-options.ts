/** Which environment the options of a command mean, and with which settings: of the source and of the destination. */
import type { Composed } from '../compose.ts';
import { pluginById } from '../convert/sessions.ts';
import { AppError } from '../model/errors.ts';
import type { Field } from '../model/field.ts';
import { plainText } from './output.ts';

/** The source. */
export interface SourceOptions {
  readonly profile?: string;
  readonly env?: string;
  readonly setting?: readonly string[];
}

export interface DestinationOptions {
  readonly toProfile?: string;
  readonly toEnv?: string;
  readonly toSet?: readonly string[];
}

export interface NamedEnvironment {
  readonly environment: string;
  /** Its id. */
  readonly profile?: string;
}

/** The profile or environment of that name; undefined when none is named. @throws AppError `usage`. */
export async function namedEnvironment(
  composed: Composed,
  option: string,
  profile: string | undefined,
  env: string | undefined,
): Promise<NamedEnvironment | undefined> {
  const { services } = composed;
  if (profile !== undefined && env !== undefined) {
    throw new AppError('usage', `--${option}profile and --${option}env can not both be given`, {
      hint: 'a profile knows its environment',
    });
  }
  if (env !== undefined) await knowEnvironment(composed, env);
  if (env !== undefined) return { environment: pluginById(services.plugins, env).id };
  if (profile === undefined) return undefined;
  const profiles = await services.profiles.list();
  const found = profiles.find((p) => p.name === profile);
  if (found !== undefined) return { environment: found.environment, profile: found.id };
  const names = profiles.map((p) => p.name).join(', ');
  throw new AppError('usage', `there is no profile "${profile}"`, {
    hint: names === '' ? 'add one on the Credentials screen (vmferry, then a)' : `there are: ${names}`,
  });
}

/** What is not built in may come from outside: plugins are loaded then, and what is left out is told. */
export async function knowEnvironment({ dispatcher, services }: Composed, id?: string): Promise<void> {
  if (id !== undefined && services.plugins.some((plugin) => plugin.id === id)) return;
  await dispatcher.perform({ type: 'load-plugins' });
  const { notice } = dispatcher.getState();
  if (notice !== undefined) process.stderr.write(`vmferry: ${plainText(notice.text)}\n`);
}

/** `KEY=VALUE` several times. @throws AppError `usage`. */
export function keyValues(option: string, given: readonly string[] = []): [string, string][] {
  return given.map((text) => {
    const at = text.indexOf('=');
    if (at <= 0) throw new AppError('usage', `--${option} ${text}: it takes KEY=VALUE`);
    return [text.slice(0, at), text.slice(at + 1)];
  });
}

/** Settings of an environment's connection. @throws AppError `usage` for a key that it doesn't have. */
export function settingsOf(
  { services }: Composed,
  environment: string,
  option: string,
  given: readonly string[] | undefined,
): Record<string, string> {
  const { fields } = pluginById(services.plugins, environment);
  const pairs = keyValues(option, given);
  for (const [key, value] of pairs) checkSetting(fields, option, key, value);
  return Object.fromEntries(pairs);
}

/**
 * Connects to the environment that is to take the machine, and fills in its form.
 * @returns false when none is named.
 * @throws AppError
 */
export async function connectDestination(composed: Composed, options: DestinationOptions): Promise<boolean> {
  const { dispatcher, services } = composed;
  const named = await namedEnvironment(composed, 'to-', options.toProfile, options.toEnv);
  const pairs = keyValues('to-set', options.toSet);
  if (named === undefined) {
    if (pairs.length > 0) {
      throw new AppError('usage', '--to-set is for an environment', {
        hint: 'name it with --to-profile or --to-env; an option of the format is given with --set',
      });
    }
    return false;
  }
  await knowEnvironment(composed, named.environment);
  const plugin = pluginById(services.plugins, named.environment);
  if (plugin.id === 'local' || !plugin.roles.includes('destination')) {
    const able = services.plugins.filter((p) => p.id !== 'local' && p.roles.includes('destination'));
    throw new AppError('usage', `${plugin.label} takes no machines`, {
      hint: `for a folder here say --to; these take machines: ${able.map((p) => p.id).join(', ')}`,
    });
  }
  const ofConnection = ([key]: [string, string]) => plugin.fields.some((field) => field.key === key);
  const settings = Object.fromEntries(pairs.filter(ofConnection));
  for (const [key, value] of Object.entries(settings)) checkSetting(plugin.fields, 'to-set', key, value);
  await dispatcher.perform({ type: 'connect-destination', ...named, settings });
  const { destination } = dispatcher.getState();
  if (destination.status !== 'connected') throw new AppError('bug', 'the destination is not connected');
  const delivery = pairs.filter((pair) => !ofConnection(pair));
  for (const [key, value] of delivery) {
    checkSetting([...plugin.fields, ...destination.fields], 'to-set', key, value);
  }
  await dispatcher.perform({ type: 'draft', change: { delivery: Object.fromEntries(delivery) } });
  return true;
}

function checkSetting(fields: readonly Field[], option: string, key: string, value: string): void {
  const field = fields.find((f) => f.key === key);
  if (field === undefined) {
    const keys = fields.filter((f) => f.kind !== 'secret').map((f) => f.key);
    throw new AppError('usage', `--${option} ${key}: there is no such setting`, {
      hint: keys.length === 0 ? 'it has none' : `there are: ${keys.join(', ')}`,
    });
  }
  if (field.kind === 'secret') {
    const secret = option === 'to-set' ? '--to-secret' : '--secret';
    throw new AppError('usage', `"${key}" is a secret and must not be on the command line`, {
      hint: `give a reference: ${secret} ${key}=env:NAME`,
    });
  }
  const choices = field.kind === 'boolean' ? ['yes', 'no'] : field.choices;
  if (choices === undefined || choices.includes(value)) return;
  throw new AppError('usage', `--${option} ${key}=${value}: this is not to be had`, {
    hint: `there are: ${choices.join(', ')}`,
  });
}
