/** `doctor`: what this computer has and lacks, and what follows from it. */
import { createRequire } from 'node:module';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { compressors } from '../codecs/compression.ts';
import { compose } from '../compose.ts';
import { usualAlgorithm } from '../io/digest-hash.ts';
import { findSmbLibrary } from '../io/smb/smb-link.ts';
import { canSeekData } from '../io/sparse.ts';
import { toFailure } from '../model/errors.ts';
import { formatBytes } from '../model/units.ts';
import { packageVersion } from '../package-root.ts';
import type { CommonOptions } from './common-options.ts';
import { terminalOutput } from './output.ts';

interface Check {
  readonly name: string;
  readonly status: 'ok' | 'note' | 'problem';
  readonly text: string;
}

export async function doctor(options: CommonOptions): Promise<number> {
  const output = terminalOutput({ json: options.json === true, quiet: false });
  const checks = [
    ...[node(), terminal(), sparseFiles(), sshCrypto(), compression(), digests()],
    ...[await smb(), await secrets()],
  ];
  if (output.json) output.value({ version: packageVersion(), checks });
  else {
    output.line(`vmferry ${packageVersion()}`);
    for (const { name, status, text } of checks) output.line(`${status.padEnd(8)} ${name}: ${text}`);
  }
  return checks.some((check) => check.status === 'problem') ? 1 : 0;
}

function node(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const known = major > 20 || (major === 20 && minor >= 19);
  const machine = `${process.platform} ${process.arch}, ${availableParallelism()} processors, ${formatBytes(freemem())} of ${formatBytes(totalmem())} memory free`;
  return {
    name: 'Node.js',
    status: known ? 'ok' : 'problem',
    text: known
      ? `${process.versions.node}, ${machine}`
      : `${process.versions.node} is too old; 20.19 is needed`,
  };
}

function terminal(): Check {
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    return {
      name: 'terminal',
      status: 'note',
      text: 'none here: the full-screen program needs one, the commands do not',
    };
  }
  const { TERM = 'unknown', LC_ALL, LC_CTYPE, LANG } = process.env;
  const locale = LC_ALL || LC_CTYPE || LANG || 'none';
  return {
    name: 'terminal',
    status: 'ok',
    text: `${TERM}, ${process.stdout.columns}x${process.stdout.rows}, locale ${locale}`,
  };
}

function sparseFiles(): Check {
  return canSeekData()
    ? { name: 'sparse files', status: 'ok', text: 'holes are found by asking the system' }
    : {
        name: 'sparse files',
        status: 'note',
        text: 'koffi is missing: holes are found by reading, which takes longer',
      };
}

/** ssh2 falls back to JavaScript silently, six times slower, when its native crypto was not built. */
function sshCrypto(): Check {
  const require = createRequire(import.meta.url);
  try {
    require('ssh2/lib/protocol/crypto/build/Release/sshcrypto.node');
    return { name: 'SSH', status: 'ok', text: 'native crypto' };
  } catch {
    return {
      name: 'SSH',
      status: 'note',
      text: 'crypto in JavaScript: slower over fast links; "npm rebuild ssh2" with a compiler builds the native one',
    };
  }
}

function compression(): Check {
  const { deflate, zstd } = compressors();
  const zstdBy = { libzstd: 'libzstd', node: "Node's own", wasm: 'WebAssembly, on one processor' }[zstd];
  const text = `deflate by ${deflate}, zstd by ${zstdBy}`;
  if (deflate === 'libdeflate' && zstd !== 'wasm') return { name: 'compression', status: 'ok', text };
  const missing = [
    ...(deflate === 'zlib' ? ['libdeflate (package libdeflate0), twice as fast'] : []),
    ...(zstd === 'wasm' ? ['libzstd (package libzstd1), several times as fast'] : []),
  ];
  return { name: 'compression', status: 'note', text: `${text}; taken where found: ${missing.join(', ')}` };
}

function digests(): Check {
  return usualAlgorithm() === 'xxh3-128'
    ? { name: 'digests', status: 'ok', text: 'XXH3 by libxxhash' }
    : {
        name: 'digests',
        status: 'note',
        text: 'SHA-256, which takes longer; taken where found: libxxhash (package libxxhash0)',
      };
}

/** Of disks of Windows hosts alone: nobody else misses it. */
async function smb(): Promise<Check> {
  try {
    await findSmbLibrary();
    return { name: 'SMB', status: 'ok', text: "Samba's library is there" };
  } catch (error) {
    const { message, hint } = toFailure(error);
    return {
      name: 'SMB',
      status: 'note',
      text: `disks of Hyper-V hosts go by SSH only: ${[message, hint].filter(Boolean).join('; ')}`,
    };
  }
}

async function secrets(): Promise<Check> {
  try {
    const { services } = await compose({ canAsk: true, say: () => undefined });
    const { secretStore } = await services.preferences.load();
    const info = await services.secrets.choose(secretStore);
    await services.secrets.close();
    const tried = info.tried.length === 0 ? '' : ` (${info.tried.join('; ')})`;
    return {
      name: 'secrets',
      status: info.kind === 'keychain' ? 'ok' : 'note',
      text: info.description + tried,
    };
  } catch (error) {
    return { name: 'secrets', status: 'problem', text: toFailure(error).message };
  }
}
