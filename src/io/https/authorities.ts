/** The certificate authorities that this computer trusts; Node brings a list of its own and does not look at it. */
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';

/** Debian and its kin, Red Hat and its kin, SUSE, Alpine and macOS. */
const usualBundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** Absent where the system has no such file: Node's own list counts. SSL_CERT_FILE wins, as with OpenSSL. */
export async function systemAuthorities(env = process.env): Promise<string | undefined> {
  const named = env.SSL_CERT_FILE;
  for (const path of named ? [named, ...usualBundles] : usualBundles) {
    const text = await readFile(path, 'utf8').catch(() => '');
    if (text.includes('BEGIN CERTIFICATE')) return text;
  }
  return undefined;
}

export async function secureContext(legacy: boolean): Promise<SecureContext> {
  const ca = await systemAuthorities();
  const options: SecureContextOptions = {
    ...(ca === undefined ? {} : { ca }),
    // vSphere before 6.0 speaks no TLS 1.2, and has keys and signatures that OpenSSL's default level refuses.
    ...(legacy ? { minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' } : { minVersion: 'TLSv1.2' }),
  };
  return createSecureContext(options);
}
