/** Part of `bench-ssh.ts`: a way to `port` with so many milliseconds of delay each way; prints its own port. */
import { badLink } from '../test/servers/bad-link.ts';

const [port, delayMs] = process.argv.slice(2).map(Number) as [number, number];
console.log((await badLink(port, { delayMs })).port);
