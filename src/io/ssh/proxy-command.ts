/** A command whose streams are the connection (ProxyCommand), from the user's own configuration of ssh. */
import { spawn } from 'node:child_process';
import { Duplex } from 'node:stream';
import { printable } from './failures.ts';

/** What the command complains of is kept for the message, not shown at once. */
const complaintBytes = 4096;

/**
 * By the user's shell, with `exec`, as ssh does: the command is the process that is ended with the connection.
 * An end of the command before that is an error of the stream.
 */
export function proxyCommandStream(command: string): Duplex {
  const shell = process.env.SHELL || '/bin/sh';
  const child = spawn(shell, ['-c', `exec ${command}`], { stdio: ['pipe', 'pipe', 'pipe'] });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-complaintBytes);
  });
  const stream = new Duplex({
    read: () => void child.stdout.resume(),
    write: (chunk, _encoding, done) => {
      if (child.stdin.write(chunk)) done();
      else child.stdin.once('drain', done);
    },
    final: (done) => void child.stdin.end(done),
    destroy: (error, done) => {
      child.kill('SIGHUP');
      child.stdin.destroy();
      done(error);
    },
  });
  child.stdout.on('data', (chunk) => {
    if (!stream.push(chunk)) child.stdout.pause();
  });
  const broken = (why: string) =>
    stream.destroy(
      new Error(`the ProxyCommand ${why}${complaint === '' ? '' : `: ${printable(complaint)}`}`),
    );
  stream.on('error', () => undefined); // also before anybody listens
  child.stdin.on('error', () => undefined); // its end is told below
  child.on('error', (error) => broken(`does not start (${error.message})`));
  child.on('close', (code, signal) => {
    if (stream.destroyed) return;
    if (code === 0) stream.push(null);
    else broken(code === null ? `was ended by ${signal}` : `ended with code ${code}`);
  });
  return stream;
}
