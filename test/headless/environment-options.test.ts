import { describe, expect, it } from 'vitest';
import type { Composed } from '../../src/compose.ts';
import { nicsOf } from '../../src/headless/convert.ts';
import {
  connectDestination,
  type DestinationOptions,
  namedEnvironment,
  settingsOf,
} from '../../src/headless/environment-options.ts';
import { describeEnvironment } from '../../src/headless/environments.ts';
import { makeProgram } from '../../src/headless/program.ts';
import { resolveImage } from '../../src/headless/session.ts';
import { between } from '../state/between.ts';
import { memory, memoryMachine } from '../state/memory-plugin.ts';

async function composed() {
  const both = await between(memory(), memory());
  await both.profiles.save({ name: 'lab', environment: 'b', settings: { host: 'there' }, secretFields: [] });
  return { ...both, composed: both as unknown as Composed };
}

describe('the source', () => {
  it('is a profile or an environment, never both', async () => {
    const { composed: of } = await composed();
    expect(await namedEnvironment(of, '', 'lab', undefined)).toMatchObject({ environment: 'b' });
    expect(await namedEnvironment(of, '', undefined, 'a')).toEqual({ environment: 'a' });
    expect(await namedEnvironment(of, '', undefined, undefined)).toBeUndefined();
    await expect(namedEnvironment(of, 'to-', 'lab', 'a')).rejects.toMatchObject({
      message: '--to-profile and --to-env can not both be given',
    });
    await expect(namedEnvironment(of, '', 'lap', undefined)).rejects.toMatchObject({
      hint: 'there are: lab',
    });
    await expect(namedEnvironment(of, '', undefined, 'c')).rejects.toMatchObject({ kind: 'usage' });
  });

  it('has its machines by name, a path here has none', async () => {
    const { composed: of } = await composed();
    expect(await resolveImage(of, 'web', { env: 'a' })).toEqual({
      environment: 'a',
      machine: 'web',
      byName: true,
    });
    expect(await resolveImage(of, 'lab:web')).toMatchObject({
      environment: 'b',
      machine: 'web',
      byName: true,
    });
    expect(await resolveImage(of, 'web.raw')).toEqual({
      environment: 'local',
      machine: 'web.raw',
      byName: false,
    });
  });

  it('takes its own settings, and no secret', async () => {
    const { composed: of } = await composed();
    expect(settingsOf(of, 'a', 'setting', ['host=x=y'])).toEqual({ host: 'x=y' });
    expect(() => settingsOf(of, 'a', 'setting', ['hots=x'])).toThrow(
      expect.objectContaining({ hint: 'there are: host' }),
    );
    expect(() => settingsOf(of, 'a', 'setting', ['password=x'])).toThrow(
      expect.objectContaining({ hint: 'give a reference: --secret password=env:NAME' }),
    );
    expect(() => settingsOf(of, 'a', 'setting', ['host'])).toThrow(/KEY=VALUE/);
  });
});

describe('the destination', () => {
  it('is connected with its settings; the rest is for its form', async () => {
    const { composed: of, state } = await composed();
    expect(await connectDestination(of, { toProfile: 'lab', toSet: ['pool=fast', 'note=a'] })).toBe(true);
    expect(state().destination).toMatchObject({ status: 'connected', label: 'lab' });
    expect(state().draft.delivery).toEqual({ pool: 'fast', note: 'a' });
    expect(await connectDestination(of, { toEnv: 'b', toSet: ['host=elsewhere'] })).toBe(true);
    expect(state().destination).toMatchObject({ label: 'Memory b', settings: { host: 'elsewhere' } });
    expect(state().draft.delivery).toEqual({});
  });

  it.each<[string, DestinationOptions, string | RegExp]>([
    ['a folder', { toEnv: 'local' }, /--to; these take machines: a, b/],
    ['no environment', { toSet: ['pool=fast'] }, /--to-profile or --to-env/],
    ['a choice that is not there', { toProfile: 'lab', toSet: ['pool=slow'] }, 'there are: default, fast'],
    ['an unknown key', { toProfile: 'lab', toSet: ['pol=fast'] }, /host, pool, note/],
    ['a secret', { toProfile: 'lab', toSet: ['password=x'] }, /--to-secret password=env:NAME/],
    ['what can not be reached', { toEnv: 'b', toSet: ['host=nowhere'] }, 'check the name'],
  ])('refuses %s', async (_, options, hint) => {
    const { composed: of } = await composed();
    await expect(connectDestination(of, options)).rejects.toMatchObject({
      hint: typeof hint === 'string' ? hint : expect.stringMatching(hint),
    });
  });

  it('joins adapters to its networks', async () => {
    const { composed: of } = await composed();
    await connectDestination(of, { toProfile: 'lab' });
    const machine = memoryMachine({ nics: [{ network: 'VM Network' }, { network: 'x', model: 'e1000' }] });
    const networks = (...given: string[]) => nicsOf(of, machine, given)?.map((nic) => nic.network);
    expect(nicsOf(of, machine, undefined)).toBeUndefined();
    expect(networks('VM Network=dmz')).toEqual(['dmz', 'x']);
    expect(networks('*=lan', 'x=dmz')).toEqual(['lan', 'dmz']);
    expect(nicsOf(of, memoryMachine({ nics: [] }), ['*=lan'])).toEqual([{ network: 'lan', connected: true }]);
    expect(() => networks('VM Network=nix')).toThrow(
      expect.objectContaining({ hint: 'there are: lan, dmz' }),
    );
    expect(() => networks('VM=lan')).toThrow(
      expect.objectContaining({ hint: 'they are joined to: VM Network, x' }),
    );
  });
});

it('environments are told with their settings', async () => {
  const { services } = await composed();
  const lines = describeEnvironment(services.plugins.find((p) => p.id === 'a')!);
  expect(lines).toContain('  can be: source and destination');
  expect(lines.join('\n')).toMatch(/host +needed/);
  expect(lines.join('\n')).toMatch(/password +secret/);
});

it('the options are on all commands that need them', () => {
  const program = makeProgram(() => undefined);
  const flags = (name: string) =>
    program.commands.find((c) => c.name() === name)!.options.map((o) => o.long ?? '');
  for (const name of ['list', 'inspect', 'check', 'convert', 'plan']) {
    expect(flags(name)).toEqual(expect.arrayContaining(['--profile', '--env', '--setting', '--secret']));
  }
  for (const name of ['convert', 'plan']) {
    expect(flags(name)).toEqual(expect.arrayContaining(['--to-profile', '--to-env', '--to-set', '--start']));
  }
  for (const name of ['convert', 'plan', 'run', 'history']) expect(flags(name)).toContain('--to-secret');
});
