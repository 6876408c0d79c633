import { once } from 'node:events';
import { connect } from 'node:tls';

/** Of what listens on loopback, as people compare it. */
export async function fingerprintOf(port: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}
