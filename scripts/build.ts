/** Bundles src/cli.tsx into dist/: one small entry, chunks loaded when they are needed. */
import { rename, rm } from 'node:fs/promises';
import { build } from 'esbuild';
import { emitTypes } from './emit-types.ts';

// Built beside and renamed: a program that runs from dist/ meanwhile finds its chunks for as long as possible.
const fresh = `dist.${process.pid}`;
await build({
  entryPoints: { cli: 'src/cli.tsx' },
  outdir: fresh,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  jsx: 'automatic',
  sourcemap: false,
  // Names are kept: a stack trace should still say something.
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  chunkNames: 'chunks/[name]-[hash]',
  // Native code, and packages that look for files of their own.
  external: [
    'keytar',
    'write-file-atomic',
    'koffi',
    'ssh2',
    'cpu-features',
    '@node-rs/crc32',
    '@bokuweb/zstd-wasm',
    'lzma-native',
    'conf',
    // Loaded in a thread of its own.
    'hash-wasm',
  ],
  define: { 'process.env.NODE_ENV': '"production"' },
  // Ink's developer tools, which are not installed.
  alias: { 'react-devtools-core': './scripts/no-devtools.ts' },
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
});
emitTypes(`${fresh}/types`);
await rm('dist', { recursive: true, force: true });
await rename(fresh, 'dist');
