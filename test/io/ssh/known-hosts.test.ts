import { createHmac } from 'node:crypto';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { judgeHostKey, orderedAlgorithms } from '../../../src/io/ssh/host-key.ts';
import { fingerprint, keysIn, keyType, rememberKey } from '../../../src/io/ssh/known-hosts.ts';
import { tempFolder } from '../../temp.ts';

const target = { host: 'host.example', port: 22, user: 'me' };

/** A public key as it is sent: its type and something. */
function keyOf(type: string, content: string): Buffer {
  const field = (text: string) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(text.length);
    return Buffer.concat([length, Buffer.from(text)]);
  };
  return Buffer.concat([field(type), field(content)]);
}
const key = keyOf('ssh-ed25519', 'one');
const other = keyOf('ssh-ed25519', 'two');
const line = (patterns: string, of = key) => `${patterns} ${keyType(of)} ${of.toString('base64')}`;
const hits = (text: string, name = 'host.example') => keysIn(text, 'kh', name).length;
const hashed = (name: string) => {
  const salt = Buffer.from('0123456789abcdef0123');
  return `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update(name).digest('base64')}`;
};

describe('the lines of known_hosts', () => {
  it('name hosts plainly, in a list, by pattern, with a port, hashed', () => {
    expect(hits(line('host.example'))).toBe(1);
    expect(hits(line('HOST.example,192.0.2.1'))).toBe(1);
    expect(hits(line('*.example'))).toBe(1);
    expect(hits(line('hos?.example'))).toBe(1);
    expect(hits(line('*.example,!host.example'))).toBe(0);
    expect(hits(line('hostXexample'))).toBe(0);
    expect(hits(line('[host.example]:2222'), '[host.example]:2222')).toBe(1);
    expect(hits(line('host.example'), '[host.example]:2222')).toBe(0);
    expect(hits(line(hashed('host.example')))).toBe(1);
    expect(hits(line(hashed('other.example')))).toBe(0);
  });

  it('that mean nothing are passed over', () => {
    const text = [
      '',
      '# host.example ssh-ed25519 AAAA',
      'host.example',
      '@odd host.example t AAAA',
      '|1|x',
      '|',
    ];
    expect(hits(text.join('\n'))).toBe(0);
    expect(keysIn(`\n${line('host.example')}\n`, 'kh', 'host.example')[0]).toMatchObject({ where: 'kh:2' });
  });
});

describe('a host key', () => {
  const judge = (text: string, shown = key) =>
    judgeHostKey(shown, keysIn(text, 'kh', 'host.example'), target);

  it('is known, new, or refused with what to do', () => {
    expect(judge(line('host.example'))).toBe('known');
    expect(judge([line('host.example', other), line('host.example')].join('\n'))).toBe('known');
    expect(judge('')).toBe('new');
    expect(() => judge(line('host.example', other))).toThrow(/kh:1 has another ssh-ed25519 key/);
    expect(() => judge(line('host.example', keyOf('ssh-rsa', 'x')))).toThrow(/kh:1 has a ssh-rsa key/);
  });

  it('that is revoked is refused, known or not', () => {
    const revoked = `@revoked ${line('*')}`;
    expect(() => judge(`${line('host.example')}\n${revoked}`)).toThrow(/revoked in kh:2/);
    expect(judge(revoked, other)).toBe('new');
  });

  it('vouched for by an authority can not be judged', () => {
    expect(() => judge(`@cert-authority ${line('*.example', other)}`)).toThrow(/certificate authority/);
  });

  it('of a type that is known is asked for first', () => {
    const known = keysIn(line('host.example', keyOf('ssh-rsa', 'x')), 'kh', 'host.example');
    expect(orderedAlgorithms(known, ['ssh-ed25519', 'rsa-sha2-512', 'ssh-rsa'])).toEqual([
      'rsa-sha2-512',
      'ssh-rsa',
      'ssh-ed25519',
    ]);
  });

  it('that is malformed is refused', () => {
    for (const bad of [
      Buffer.alloc(0),
      Buffer.from([0, 0, 0, 0]),
      Buffer.from([0, 0, 1, 0, 65]),
      keyOf('a b', 'x'),
    ]) {
      expect(() => keyType(bad)).toThrow(/malformed/);
    }
  });

  it('is remembered below what is there already', async () => {
    const folder = join(await tempFolder(), '.ssh');
    const file = join(folder, 'known_hosts');
    await rememberKey(file, target, key);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    await mkdir(folder, { recursive: true });
    await writeFile(file, 'a b c'); // no line end
    await rememberKey(file, { ...target, port: 2222 }, key);
    const text = await readFile(file, 'utf8');
    expect(text).toMatch(/^a b c\n\[host\.example\]:2222 ssh-ed25519 /);
    expect(hits(text, '[host.example]:2222')).toBe(1);
  });

  it('has the fingerprint that ssh-keygen shows', () => {
    expect(fingerprint(key)).toMatch(/^SHA256:[A-Za-z0-9+/]{43}$/);
  });
});
