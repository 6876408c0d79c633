import { testDestination } from '../../conformance/test-plugin.ts';
import { describeWith } from '../../oracles/requires.ts';
import { libvirtdTools, useLibvirtd } from '../../servers/libvirtd.ts';
import { diskContents, plainUserHost, testPool } from './destination-pool.ts';

describeWith([...libvirtdTools, 'setpriv'], 'a libvirt', () => {
  const libvirtd = useLibvirtd();
  const visible = () => diskContents(libvirtd());

  testDestination('a pool whose folder can be written to', async () => {
    const pool = await testPool(libvirtd());
    return { ...pool, visible, places: 2 };
  });

  testDestination('a pool that can only be written to through libvirt', async () => {
    const pool = await testPool(libvirtd(), { host: plainUserHost() });
    return { ...pool, visible, places: 2, keepsOld: true };
  });
});
