import { rename, rm } from 'node:fs/promises';
import { testSource } from '../../conformance/test-plugin.ts';
import { connectKept, copyOf, putCopy, storeWithOne } from './fixtures.ts';

testSource(
  'kept copies',
  async () => {
    const store = await storeWithOne();
    await putCopy(store, copyOf({ stage: 'changed' }));
    return connectKept(store);
  },
  {
    async again() {
      const store = await storeWithOne();
      return { connect: () => connectKept(store) };
    },
    async breakable() {
      const store = await storeWithOne();
      return {
        session: await connectKept(store),
        async break() {
          await rename(store, `${store}-away`);
          await rm(`${store}-away`, { recursive: true });
        },
        // A file that is open here stays readable.
        breaks: 'opening',
      };
    },
  },
);
