/** Part of `bench-ssh.ts`: copies one file from a host to a raw file here, and prints the seconds and the way. */

import { dataBlocks } from '../src/io/blocks.ts';
import { sourceDisk } from '../src/io/disk.ts';
import { fileSink } from '../src/io/file-sink.ts';
import { sshHost } from '../src/io/host/ssh-host.ts';
import { connectSsh } from '../src/io/ssh/connect.ts';

const [port, user, keyFile, knownHosts, from, to] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
  string,
];
const none = async (): Promise<string> => {
  throw new Error('there is none');
};
const start = performance.now();
const connection = await connectSsh(
  { host: '127.0.0.1', port: Number(port), user },
  { keyFile, password: none, passphrase: none },
  { confirm: async () => false, knownHosts: { user: knownHosts, system: [] } },
);
const host = sshHost(connection);
const source = await host.files.open(from);
const sink = await fileSink(to);
for await (const block of dataBlocks(sourceDisk(source), { grainBytes: 64 * 1024 })) {
  await Promise.all(block.runs.map((run) => sink.write(run.bytes, run.offset)));
  block.release();
}
await sink.finish(source.size);
const seconds = (performance.now() - start) / 1000;
console.log(JSON.stringify({ seconds, way: host.describe?.() ?? '', rss: process.resourceUsage().maxRSS }));
await source.close();
await host.close();
