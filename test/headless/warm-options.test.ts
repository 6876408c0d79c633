import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type WarmOptions, warmOf } from '../../src/headless/warm-options.ts';

describe('the options of a warm copy', () => {
  it.each<[WarmOptions, unknown]>([
    [{}, undefined],
    [{ warm: false }, undefined],
    [{ warm: true }, { shutDown: false, turnOn: false }],
    [{ warmShutdown: true }, { shutDown: true, turnOn: false }],
    [
      {
        warm: true,
        warmTracking: true,
        warmPasses: '0',
        warmBelow: '1M',
        warmInterval: '9',
        warmFolder: 'w',
      },
      {
        ...{ shutDown: false, turnOn: true, passes: 0, belowBytes: 1048576, intervalSeconds: 9 },
        folder: resolve('w'),
      },
    ],
  ])('%j', (options, warm) => {
    expect(warmOf(options)).toEqual(warm);
  });

  it.each<WarmOptions>([
    { warmPasses: '-1' },
    { warmPasses: '1.5' },
    { warmInterval: 'x' },
    { warmBelow: 'big' },
  ])('refuses %j', (options) => {
    expect(() => warmOf(options)).toThrow(expect.objectContaining({ kind: 'usage' }));
  });
});
