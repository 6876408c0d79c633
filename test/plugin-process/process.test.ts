/** Processes as they should be, and as they should not be. */
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Session } from '../../src/env-plugins/plugin.ts';
import { AppError } from '../../src/model/errors.ts';
import {
  connectProcess,
  type ProcessOptions,
  processPlugin,
} from '../../src/plugin-process/connect-process.ts';
import { controlFrame, payloadHead } from '../../src/plugin-process/frames.ts';
import { noSecrets } from '../conformance/test-plugin.ts';
import { tempFolder } from '../temp.ts';

let folder: string;
let served: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vmferry-test-'));
  served = join(folder, 'serve-local.mjs');
  await build({
    entryPoints: ['test/plugin-process/serve-local.ts'],
    outfile: served,
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    logLevel: 'silent',
    absWorkingDir: process.cwd(),
    banner: {
      js: `import { createRequire as __r } from 'node:module'; const require = __r(${JSON.stringify(join(process.cwd(), 'package.json'))});`,
    },
  });
  // Packages are found from where the bundle lies.
  await symlink(join(process.cwd(), 'node_modules'), join(folder, 'node_modules'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const signal = new AbortController().signal;
const quick: ProcessOptions = { patience: 5000, silence: 400, ending: 40 };

const printed = (bytes: Buffer): string =>
  [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');

/** A process that says these bytes when it has heard something, and then only listens. */
const sayer = (bytes: Buffer, remark = ''): string[] => [
  'sh',
  '-c',
  `echo "${remark}" >&2; head -c 1 >/dev/null; printf '${printed(bytes)}'; exec cat >/dev/null`,
];

const hello = controlFrame({
  type: 'hello',
  protocol: 'vmferry-plugin',
  version: 1,
  plugin: { id: 'x', label: 'X', summary: 'x', roles: ['source'], fields: [] },
});
const result = (id: number, value: unknown) => controlFrame({ type: 'result', id, value });

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** Connects to a process that answers the first two messages as it should, then says `more`, then does `then`. */
async function connected(more: Buffer, then = '', remark = ''): Promise<Session> {
  const answers = [hello, Buffer.concat([result(1, { source: {} }), more])].map((bytes) =>
    bytes.toString('hex'),
  );
  const script = `process.stderr.write(${JSON.stringify(remark)});
    const answers = ${JSON.stringify(answers)};
    process.stdin.on('data', () => {
      const next = answers.shift();
      if (next) process.stdout.write(Buffer.from(next, 'hex'));
      if (answers.length === 0) { ${then} }
    });
    setInterval(() => {}, 1000);`;
  const described = { id: 'x', label: 'X', summary: '', roles: ['source'] as const, fields: [] };
  return processPlugin([process.execPath, '-e', script], described, quick).connect({}, noSecrets());
}

describe('a plugin in a process of its own', () => {
  it('lists, reads and delivers as it does here, and ends with the session', async () => {
    const images = await tempFolder();
    const out = await tempFolder();
    const bytes = Buffer.from('0123456789abcdef'.repeat(200_000));
    await writeFile(join(images, 'a.raw'), bytes);
    const pidFile = join(await tempFolder(), 'pid');
    const wrapper = ['sh', '-c', `echo $$ > ${pidFile}; exec "$0" "$1"`, process.execPath, served];
    const plugin = await connectProcess(wrapper);
    expect(plugin).toMatchObject({ id: 'local', roles: ['source', 'destination'] });
    const session = await plugin.connect({ folders: images }, noSecrets());
    const machine = await session.source!.inspect(join(images, 'a.raw'), signal);
    const { source } = await session.source!.open(machine, machine.disks[0]!.id, signal);
    const target = Buffer.alloc(bytes.length);
    await source.read(target, 0);
    expect(target.equals(bytes)).toBe(true);
    const delivery = await session.destination!.begin({
      name: 'm',
      machine,
      settings: { folder: out },
      force: false,
      sync: false,
      runId: '20260101-000000-abcd',
      nvram: Buffer.alloc(2_000_000),
      signal,
    });
    const sink = await delivery.sink({ name: 'b.raw' });
    await sink.write(bytes, 0);
    await sink.finish(bytes.length);
    expect(await delivery.commit()).toEqual([join(out, 'b.raw')]);
    expect((await readFile(join(out, 'b.raw'))).equals(bytes)).toBe(true);
    const pid = Number(await readFile(pidFile, 'utf8'));
    expect(alive(pid)).toBe(true);
    await session.close();
    expect(alive(pid)).toBe(false);
  });

  it('takes back what was not committed when the host goes away', async () => {
    const out = await tempFolder();
    const plugin = await connectProcess([process.execPath, served]);
    const session = await plugin.connect({}, noSecrets());
    const delivery = await session.destination!.begin({
      name: 'm',
      machine: { id: 'm', name: 'm', state: 'off', disks: [], nics: [], findings: [] },
      settings: { folder: out },
      force: false,
      sync: false,
      runId: '20260101-000000-abcd',
      signal,
    });
    const sink = await delivery.sink({ name: 'b.raw' });
    await sink.write(Buffer.from('x'), 0);
    expect(await readdir(out)).toHaveLength(1);
    await session.close();
    expect(await readdir(out)).toEqual([]);
  });
});

describe('a process that is no plugin', () => {
  it.each([
    ['is not there', ['/no/such/program'], 'unreachable', /no such command/],
    [
      'ends at once',
      [process.execPath, '-e', 'console.error("bad day"); process.exit(7)'],
      'unreachable',
      /exit code 7.*it said last: bad day/,
    ],
    [
      'says something else',
      sayer(Buffer.from('Welcome to host!\n'), 'a remark'),
      'corrupt',
      /begins with "Welcome to host!".*a remark/,
    ],
    ['says a huge length', sayer(Buffer.from('fffffff0017b7d', 'hex')), 'corrupt', /not the plugin protocol/],
    ['says no JSON', sayer(Buffer.from('00000003017b7b', 'hex')), 'corrupt', /without JSON/],
    [
      'says a frame of no type',
      sayer(Buffer.concat([hello.subarray(0, 4), Buffer.from([9]), hello.subarray(5)])),
      'corrupt',
      /not the plugin protocol/,
    ],
    [
      'speaks another version',
      sayer(controlFrame({ type: 'hello', protocol: 'vmferry-plugin', versions: [2] })),
      'unsupported',
      /version \[2\]/,
    ],
    [
      'describes itself wrongly',
      sayer(controlFrame({ type: 'hello', protocol: 'vmferry-plugin', version: 1, plugin: { id: '../x' } })),
      'bug',
      /description of itself/,
    ],
    ['has no command', [''], 'usage', /command/],
  ] as const)('%s', async (_, command, kind, message) => {
    const error = await connectProcess(command, quick).catch((e) => e);
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({ kind, message: expect.stringMatching(message) });
  });

  it('never says hello: is ended', async () => {
    const command = [process.execPath, '-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)'];
    await expect(connectProcess(command, { ...quick, patience: 300 })).rejects.toMatchObject({
      kind: 'unreachable',
      message: expect.stringContaining('says nothing for 0.3 seconds'),
    });
  });

  it('is given up when connecting is cancelled', async () => {
    const controller = new AbortController();
    const plugin = processPlugin(
      [process.execPath, '-e', 'setInterval(() => {}, 1000)'],
      { id: 'x', label: 'X', summary: '', roles: ['source'], fields: [] },
      quick,
    );
    setTimeout(() => controller.abort(), 50);
    await expect(plugin.connect({}, noSecrets(controller.signal))).rejects.toMatchObject({
      kind: 'cancelled',
    });
  });
});

describe('a process that fails in the middle', () => {
  it('ends: what is under way and what comes after is told so, with its last words', async () => {
    const session = await connected(
      Buffer.alloc(0),
      'setTimeout(() => process.exit(3), 50)',
      'out of luck\n',
    );
    const failed = { kind: 'unreachable', message: expect.stringMatching(/exit code 3.*out of luck/) };
    await expect(session.source!.inspect('a', signal)).rejects.toMatchObject(failed);
    await expect(session.source!.inspect('a', signal)).rejects.toMatchObject(failed);
    await session.close();
  });

  it('never answers: is told so, and a cancel needs no answer', async () => {
    const session = await connected(Buffer.alloc(0), "process.stdin.removeAllListeners('data')");
    const controller = new AbortController();
    const cancelled = session.source!.inspect('a', controller.signal);
    controller.abort();
    await expect(cancelled).rejects.toMatchObject({ kind: 'cancelled' });
    await expect(session.source!.inspect('a', signal)).rejects.toMatchObject({
      kind: 'unreachable',
      message: expect.stringContaining('has not answered'),
    });
    await session.close();
  });

  it.each([
    ['answers what was not asked', result(99, null)],
    ['sends a payload that is too long', payloadHead(3, 0x7fffffff)],
    ['calls what there is not with an id of ours', controlFrame({ type: 'call', id: 3, method: 'secret' })],
    ['gives credit of nothing', controlFrame({ type: 'credit', id: 3, bytes: -1 })],
    ['says garbage', Buffer.from('garbage, garbage')],
  ])('%s', async (_, bytes) => {
    const session = await connected(bytes);
    await expect(session.source!.inspect('a', signal)).rejects.toMatchObject({ kind: 'corrupt' });
    await session.close();
  });

  it('gives a machine that is none, or more bytes than were asked for', async () => {
    const disk = { handle: 1, name: 'd', size: 10, access: 'random' };
    const more = [
      result(3, { id: 5 }),
      result(5, disk),
      Buffer.concat([payloadHead(7, 20), Buffer.alloc(20)]),
    ];
    const session = await connected(
      Buffer.alloc(0),
      `answers.push(...${JSON.stringify(more.map((bytes) => bytes.toString('hex')))})`,
    );
    await expect(session.source!.inspect('a', signal)).rejects.toMatchObject({
      kind: 'bug',
      message: expect.stringContaining('a machine that is wrong'),
    });
    const machine = { id: 'm', name: 'm', state: 'off', disks: [], nics: [], findings: [] } as const;
    const { source } = await session.source!.open(machine, 'd', signal);
    await expect(source.read(Buffer.alloc(4), 0)).rejects.toMatchObject({ kind: 'corrupt' });
    await session.close();
  });
});
