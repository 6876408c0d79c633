/** Opens an image that stands alone, an image of a bundle, or a bundle by its descriptor. */
import type { ByteSource } from '../../io/byte-source.ts';
import type { OpenContext, OpenImage } from '../codec.ts';
import { bundleOf, openBundle } from './bundle.ts';
import { isDescriptor, readDescriptor } from './descriptor.ts';
import { hasMagic, readImage } from './image.ts';

export async function openParallels(source: ByteSource, context: OpenContext): Promise<OpenImage> {
  const { signal } = context;
  if (!(await hasMagic(source, signal)) && (await isDescriptor(source, signal))) {
    return openBundle(source, await readDescriptor(source, signal), context);
  }
  // The image of a snapshot does not say that it lies on others: only the descriptor beside it does.
  const found = await bundleOf(source, context, (beside) => readDescriptor(beside, signal));
  if (found === undefined) {
    const image = await readImage(source, signal);
    return { ...image.layer('zero'), info: image.info };
  }
  const bundle = await openBundle(found.source, found.descriptor, context, found.guid);
  const close = async () => {
    await Promise.all([bundle.close(), source.close()]);
  };
  return { ...bundle, close };
}
