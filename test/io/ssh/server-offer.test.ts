/** The first bytes of a server, whatever they are. */
import { expect, it } from 'vitest';
import { serverOffer } from '../../../src/io/ssh/server-offer.ts';

function packet(lists: readonly string[]): Buffer {
  const fields = lists.flatMap((list) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(list.length);
    return [length, Buffer.from(list)];
  });
  const body = Buffer.concat([Buffer.from([4, 20]), Buffer.alloc(16), ...fields, Buffer.alloc(9)]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

const hello = Buffer.from('a word before\r\nSSH-2.0-Old_1.0 x\r\n');
const whole = Buffer.concat([
  hello,
  packet(['k1,k2', 'h1', 'c1', 'c2', 'm1,m2', 'm3', 'none', 'none', '', '']),
]);

it('tell its name and its algorithms', () => {
  expect(serverOffer(whole)).toEqual({
    version: 'SSH-2.0-Old_1.0 x',
    lists: { kex: ['k1', 'k2'], hostKey: ['h1'], cipher: ['c1'], mac: ['m1', 'm2'] },
  });
});

it('tell what is there when they are cut off or odd', () => {
  for (let length = 0; length < whole.length; length++) {
    const offer = serverOffer(whole.subarray(0, length));
    expect(offer?.lists).toBeUndefined();
    expect(offer === undefined).toBe(length < hello.length);
  }
  for (let at = hello.length; at < whole.length; at++) {
    const odd = Buffer.from(whole);
    odd[at] = 0xff;
    expect(serverOffer(odd)?.version).toBe('SSH-2.0-Old_1.0 x');
  }
  expect(serverOffer(Buffer.from('HTTP/1.0 400 Bad Request\r\n\r\n'))).toBeUndefined();
});
