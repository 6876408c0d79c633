/** One small content as each tool packs it; made with `TOOL -c` of gzip 1.12, xz 5.4, zstd 1.5, bzip2 1.0.8, lz4 1.9. */
import type { Compression } from '../../src/io/wrappers/wrapper.ts';

export const sampleContent = Buffer.concat([
  Buffer.from('rope and tide and cargo and crane; '.repeat(12)),
  Buffer.alloc(500),
  Buffer.alloc(300, 'x'),
  Buffer.from('grcO7n8aUDm+8H7CNH8GbtCPXcdRJEfjQEMAAmtuVFWUoGVoXWTEmAu41FRKhyGpmgGtIZ61nPahXvbx', 'base64'),
]);

const packed: Record<Compression, string[]> = {
  gzip: [
    'H4sIAAAAAAAAAyvKL0hVSMxLUSjJTIEwkhOL0vMhrKLEvFRrhaJRJQOrhGEUjDhQMQqIBk3b+d7VSwVY7vtQd8ikni3vQn/s',
    '8UAV98cOzgxM2XkhoVMWpGbEphyZwb3jSohXu+LKWYxrFedtnfNtYdy3jwD7+2+fAAUAAA==',
  ],
  xz: [
    '/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4AT/AG9dADkbymbmu3J6+EN2Rc9Hr9fU+kS+Q7ZE14ansIBE4ZB8XOePcES1elYx',
    'a6tOXbQp2OWfyp8QIfVFzeSzHt0neW8+B9Hr2k3KbBoAENOZn7UQ5AaAgnvfe/Gu3pIA5kY4d5Mq+liKwXLZ7RWqBHWxAAAA',
    'hWPW0RC2W8oAAYsBgAoAAJsqjGqxxGf7AgAAAAAEWVo=',
  ],
  zstd: [
    'KLUv/WQABE0DAGQFcm9wZSBhbmQgdGlkY2FyZ29jcmFuZTsgAHiCtw7ufxpQOb7wfsI0fwZu0I9dx1EkR+NAQwACa25UVZSg',
    'ZWhdZMSYC7jUVEqHIamaAa0hnrWc9qFe9vEFAChAFXicev2MUsam0BxKEveyMCo=',
  ],
  bzip2: [
    'QlpoOTFBWSZTWSBj1FEAAN9///EJABBkIAQoSJBmAy7p1EGQgIRVYCICwRSARAAIAWEIIACRGanpGmmjI0MhgQ2kBpkyM1Gj',
    'PU9IJKSaGgGjQDQNAAyDQAAfnGgdYRM0RcmnsALKCYCgAUhIYC4xXdfW+4C9Xn4H/HqFvVH0fBBuBQgmgFLBBsBa7ALcCbBd',
    'HAT0YLJHvAFnjBSwUAJ0FJBOpH1gkSAnVMpB8jP7GobQPYgp7gr/gaMwgCGLUIK/eLuSKcKEgQMeoog=',
  ],
  lz4: [
    'BCJNGGRAp20AAADCcm9wZSBhbmQgdGlkCQBRY2FyZ28TAH9jcmFuZTsgIwD/bx8AAQD/4R94AQD/GfAtgrcO7n8aUDm+8H7C',
    'NH8GbtCPXcdRJEfjQEMAAmtuVFWUoGVoXWTEmAu41FRKhyGpmgGtIZ61nPahXvbxAAAAAB/FvYY=',
  ],
};

export const packedSamples = Object.entries(packed).map(([wrapper, lines]) => ({
  wrapper: wrapper as Compression,
  bytes: Buffer.from(lines.join(''), 'base64'),
}));
