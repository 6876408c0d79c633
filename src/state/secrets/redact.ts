/** Keeps secrets out of what is written or shown: logs, journals, errors, crash reports. */
import type { SecretStore } from './secret-store.ts';

const MASK = '••••';

/** Shorter ones would blank out half of every text, and tell by it what they are. */
const SHORTEST = 4;

/** One instance, made by the composition root and handed to all that write. */
export class Redactor {
  readonly #secrets = new Set<string>();
  #pattern: RegExp | undefined;

  /** To be called before the secret is first used. */
  add(secret: string): void {
    if (this.#secrets.has(secret)) return;
    this.#secrets.add(secret);
    this.#pattern = undefined;
  }

  redact(text: string): string {
    if (this.#secrets.size === 0) return text;
    this.#pattern ??= patternOf(this.#secrets);
    return text.replace(this.#pattern, MASK);
  }

  /** Plain data with every text in it redacted, also the keys. */
  redactData<T>(data: T): T {
    if (typeof data === 'string') return this.redact(data) as T;
    if (Array.isArray(data)) return data.map((item) => this.redactData(item)) as T;
    if (typeof data !== 'object' || data === null) return data;
    const entries = Object.entries(data).map(([key, value]) => [this.redact(key), this.redactData(value)]);
    return Object.fromEntries(entries) as T;
  }
}

/** A store whose secrets are known to the redactor before anybody gets them. */
export function redacting<S extends SecretStore>(store: S, redactor: Redactor): SecretStore {
  return {
    kind: store.kind,
    describe: () => store.describe(),
    async get(account) {
      const secret = await store.get(account);
      if (secret !== undefined) redactor.add(secret);
      return secret;
    },
    set(account, secret) {
      redactor.add(secret);
      return store.set(account, secret);
    },
    delete: (account) => store.delete(account),
  };
}

/** Longest first: a secret that is part of another one must not leave the rest of that one readable. */
function patternOf(secrets: ReadonlySet<string>): RegExp {
  const forms = new Set([...secrets].flatMap(formsOf).filter((form) => form.length >= SHORTEST));
  const sorted = [...forms].sort((a, b) => b.length - a.length);
  // No form at all: a pattern that matches nothing.
  return sorted.length === 0 ? /(?!)/g : new RegExp(sorted.map(escapeForPattern).join('|'), 'g');
}

/** The ways in which a secret gets into a text. */
function formsOf(secret: string): string[] {
  if (secret.length < SHORTEST) return [];
  // A key of several lines is shown line by line as often as whole. A PEM mark is no secret.
  const lines = secret.split(/\r?\n/).filter((line) => line.length >= 16 && !line.startsWith('-----'));
  return [secret, ...lines].flatMap((text) => {
    const bytes = Buffer.from(text);
    const inJson = jsonForm(text);
    return [
      text,
      inJson,
      jsonForm(inJson),
      xmlForm(text),
      ...urlSafe.flatMap((safe) => urlForms(bytes, safe)),
      bytes.toString('hex'),
      bytes.toString('hex').toUpperCase(),
      ...base64Forms(bytes),
    ];
  });
}

const jsonForm = (text: string): string => JSON.stringify(text).slice(1, -1);

const xmlForm = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** What is left as it is by encodeURIComponent, encodeURI, RFC 3986 and the URL Standard's form encoding. */
const urlSafe = [/[\w.!~*'()-]/, /[\w.!~*'();,/?:@&=+$#-]/, /[\w.~-]/, /[\w.*-]/];

/** Byte by byte, for encodeURIComponent throws at half a surrogate pair. */
function urlForms(bytes: Buffer, safe: RegExp): string[] {
  const coded = [...bytes].map((byte) => {
    const char = String.fromCharCode(byte);
    return byte < 128 && safe.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  });
  const upper = coded.join('');
  const lower = coded.map((code) => (code.length === 3 ? code.toLowerCase() : code)).join('');
  return [upper, lower, upper.replaceAll('%20', '+'), lower.replaceAll('%20', '+')];
}

/**
 * Base64 and base64url, alone and inside of something longer (`user:password` of a Basic authorization): there it
 * begins at one of three bit positions. The characters at the ends that share bits with a neighbour are left out.
 */
function base64Forms(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((shift) => {
    const shifted = Buffer.concat([Buffer.alloc(shift), bytes]);
    const whole = Math.floor((shifted.length * 8) / 6);
    const from = Math.ceil((shift * 8) / 6);
    return (['base64', 'base64url'] as const).map((form) => shifted.toString(form).slice(from, whole));
  });
}

const escapeForPattern = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
