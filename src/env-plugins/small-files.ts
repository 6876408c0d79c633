/** Small files of a delivery: descriptions, firmware variables, scripts that start a machine. */
import type { Delivery } from './plugin.ts';

export async function deliverBytes(delivery: Delivery, name: string, bytes: Uint8Array): Promise<void> {
  const sink = await delivery.sink({ name, size: bytes.length });
  try {
    await sink.write(bytes, 0);
    await sink.finish(bytes.length);
  } catch (error) {
    await sink.abort();
    throw error;
  }
}

export const deliverText = (delivery: Delivery, name: string, text: string): Promise<void> =>
  deliverBytes(delivery, name, Buffer.from(text));
