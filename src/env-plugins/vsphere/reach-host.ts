/** An ESXi host beside its vCenter: its certificate is the one that the vCenter, which is trusted, tells. */
import { openHttps } from '../../io/https/client.ts';
import { forgottenCertificates } from '../../io/https/known-certificates.ts';
import type { Tell } from '../../io/retrying.ts';
import type { ReachHost } from './lease.ts';

/** A host behind a firewall does not answer: whoever asks has another way. */
const reachMs = 10_000;

/** Asks nobody: a host without a thumbprint has to be vouched for by the authorities. */
export const reachHost =
  (legacy: boolean, tell?: Tell): ReachHost =>
  (target, thumbprint, signal) =>
    openHttps({
      ...target,
      // Later releases tell SHA-256.
      ...(thumbprint.replace(/[^0-9A-Fa-f]/g, '').length === 64
        ? { fingerprint: thumbprint }
        : { thumbprint }),
      legacy,
      known: forgottenCertificates(),
      confirm: async () => false,
      timeoutMs: reachMs,
      tell,
      ...(signal === undefined ? {} : { signal }),
    });
