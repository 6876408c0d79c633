import { chmod, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { liveMarks, removeMark, writeMark } from '../../src/away/marks.ts';
import { connectTo, linkOver } from '../../src/away/run-link.ts';
import { RunServer } from '../../src/away/run-server.ts';
import type { Event } from '../../src/state/events.ts';
import { initialState, reduce } from '../../src/state/reduce.ts';
import type { RunWish } from '../../src/state/runs.ts';
import { ownMark } from '../../src/state/stores/process-mark.ts';
import { tempFolder } from '../temp.ts';

const id = '20260101-000000-0001';

async function privateFolder(): Promise<string> {
  const folder = await tempFolder();
  await chmod(folder, 0o700);
  return folder;
}

/** A run with nothing in it, and what it was wished. */
async function served(folder: string) {
  let state = initialState;
  const wishes: RunWish[] = [];
  const server = new RunServer({
    id,
    getState: () => state,
    async perform(wish) {
      wishes.push(wish);
      if (wish.type === 'shut-down') throw new Error('no machine is copied while it runs');
    },
  });
  const tell = (event: Event) => {
    state = reduce(state, event);
    server.tell(event);
  };
  tell({ type: 'run-started', id, at: 1, items: [] });
  const path = await server.listen(folder);
  onTestFinished(() => server.close());
  return { server, path, wishes, tell };
}

async function attached(path: string) {
  const events: Event[] = [];
  const link = await linkOver(await connectTo(path, id), id, (event) => events.push(event));
  onTestFinished(link.close);
  await expect.poll(() => events.length).toBeGreaterThan(0);
  return { link, events };
}

it('tells each who is attached the whole state, and then what happens, until its end', async () => {
  const { server, path, tell } = await served(await privateFolder());
  const first = await attached(path);
  tell({ type: 'run-status', status: 'paused', at: 2 });
  await expect.poll(() => first.events.at(-1)).toEqual({ type: 'run-status', status: 'paused', at: 2 });
  tell({ type: 'question', question: { id: 3, text: 'Code:', from: 'a host', entry: 'hidden' } });
  const second = await attached(path);
  expect(second.events).toMatchObject([
    { type: 'run-entered', run: { id, status: 'paused', away: id } },
    { type: 'question', question: { id: 3 } },
  ]);
  // What is not of the run stays inside.
  tell({ type: 'went', screen: 'image' });
  tell({ type: 'run-status', status: 'done', at: 4 });
  await Promise.all([server.close(), first.link.ended, second.link.ended]);
  expect(second.events.at(-1)).toEqual({ type: 'run-status', status: 'done', at: 4 });
  expect(first.events.some(({ type }) => type === 'went')).toBe(false);
  await expect(connectTo(path, id)).rejects.toMatchObject({ kind: 'unreachable' });
});

it('hears wishes, and nothing else', async () => {
  const { path, wishes } = await served(await privateFolder());
  const { link, events } = await attached(path);
  link.send({ type: 'rate', bytesPerSecond: 5 });
  link.send({ type: 'shut-down' });
  await expect.poll(() => events.at(-1)).toMatchObject({ type: 'notice', notice: { level: 'warning' } });
  link.send({ type: 'answer', id: 1, yes: true, text: {} } as never);
  await expect.poll(() => JSON.stringify(events.at(-1))).toContain('not known');
  link.send({ type: 'terminate' } as never);
  await expect.poll(() => JSON.stringify(events.at(-1))).toContain('not known');
  // What was sent before it left is said.
  link.send({ type: 'pause' });
  link.close();
  await link.ended;
  await expect.poll(() => wishes.map(({ type }) => type)).toEqual(['rate', 'shut-down', 'pause']);
});

it('a stranger who says no JSON, or too much, is cut off; the others stay', async () => {
  const { path, tell } = await served(await privateFolder());
  const { link, events } = await attached(path);
  for (const said of ['no json\n', `"${'x'.repeat(2 ** 20)}"\n`]) {
    const stranger = connect(path);
    stranger.resume().on('error', () => undefined);
    stranger.write(said);
    await new Promise((closed) => stranger.once('close', closed));
  }
  tell({ type: 'run-status', status: 'paused', at: 2 });
  await expect.poll(() => events.at(-1)).toMatchObject({ status: 'paused' });
  link.close();
});

it('a process that is gone without a word is told so', async () => {
  const path = join(await privateFolder(), 'gone.sock');
  const process = createServer((socket) => {
    socket.write('{"type":"hello","version":1}\n');
    socket.once('data', () => socket.destroy());
  }).listen(path);
  onTestFinished(() => void process.close());
  const link = await linkOver(await connectTo(path, id), id, () => undefined);
  link.send({ type: 'pause' });
  await expect(link.ended).rejects.toMatchObject({
    kind: 'io',
    message: expect.stringContaining('without a word'),
  });
});

it('one of another version is not spoken to', async () => {
  const path = join(await privateFolder(), 'other.sock');
  const other = createServer((socket) => void socket.write('{"type":"hello","version":2}\n')).listen(path);
  onTestFinished(() => void other.close());
  const socket = await connectTo(path, id);
  await expect(linkOver(socket, id, () => undefined)).rejects.toMatchObject({ kind: 'unsupported' });
});

it('its socket is of the user alone, also where the folder of the journals is no place for it', async () => {
  const folder = await privateFolder();
  const { path } = await served(folder);
  expect(path).toBe(join(folder, `${id}.sock`));
  expect((await stat(path)).mode & 0o777).toBe(0o600);

  const deep = join(folder, 'x'.repeat(100));
  await mkdir(deep, { mode: 0o700 });
  const open = join(folder, 'open');
  await mkdir(open);
  await chmod(open, 0o755);
  for (const no of [deep, open]) {
    const elsewhere = await served(no);
    expect(dirname(elsewhere.path)).not.toBe(no);
    expect(Buffer.byteLength(elsewhere.path)).toBeLessThanOrEqual(103);
    expect((await stat(dirname(elsewhere.path))).mode & 0o777).toBe(0o700);
    expect((await stat(elsewhere.path)).mode & 0o777).toBe(0o600);
    await attached(elsewhere.path);
    await elsewhere.server.close();
    await removeMark(no, { ...(await markOf(elsewhere.path)), socket: elsewhere.path });
    await expect(stat(dirname(elsewhere.path))).rejects.toMatchObject({ code: 'ENOENT' });
  }
});

const markOf = async (socket: string) => ({
  ...{ version: 1 as const, id, ...(await ownMark()), socket, title: 'web' },
  ...{ turn: 'running' as const, due: 1 },
});

it('marks count while their process lives; what is left of a dead one goes, and nothing else', async () => {
  const folder = await privateFolder();
  const mark = await markOf(join(folder, `${id}.sock`));
  const dead = { ...mark, id: '20260101-000000-0002', pid: 2 ** 22 + 1, socket: join(folder, 'other.sock') };
  await writeFile(dead.socket, 'not ours');
  await writeMark(folder, mark);
  await writeMark(folder, dead);
  await writeMark(folder, { ...dead, id: '20260101-000000-0003', host: 'another' });
  await writeFile(join(folder, '20260101-000000-0004.process'), 'torn');
  expect((await liveMarks(folder)).map((found) => found.id)).toEqual([id]);
  expect((await readdir(folder)).sort()).toEqual([
    `${id}.process`,
    '20260101-000000-0003.process',
    '20260101-000000-0004.process',
    'other.sock',
  ]);
  expect((await stat(join(folder, `${id}.process`))).mode & 0o777).toBe(0o600);
});
