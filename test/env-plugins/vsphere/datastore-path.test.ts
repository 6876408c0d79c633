import { describe, expect, it } from 'vitest';
import {
  folderUrl,
  formatDatastorePath,
  namedFrom,
  parseDatastorePath,
} from '../../../src/env-plugins/vsphere/datastore-path.ts';

const datastores = [
  { name: 'ssd 1', url: 'ds:///vmfs/volumes/5a-b/' },
  { name: 'nfs', url: '/vmfs/volumes/77-c' },
];
const from = parseDatastorePath('[ssd 1] web/web-000001.vmdk');
const named = (name: string) => formatDatastorePath(namedFrom(from, name, datastores));

describe('a path on a datastore', () => {
  it('is what a descriptor means by a name', () => {
    expect(named('web-flat.vmdk')).toBe('[ssd 1] web/web-flat.vmdk');
    expect(named('../base/base.vmdk')).toBe('[ssd 1] base/base.vmdk');
    expect(named('/vmfs/volumes/5a-b/base/b.vmdk')).toBe('[ssd 1] base/b.vmdk');
    expect(named('/vmfs/volumes/77-c/b.vmdk')).toBe('[nfs] b.vmdk');
    expect(named('/vmfs/volumes/nfs/b.vmdk')).toBe('[nfs] b.vmdk');
    expect(named('[nfs] x/y.vmdk')).toBe('[nfs] x/y.vmdk');
  });

  it('leads nowhere else', () => {
    for (const name of ['../../x', '/vmfs/volumes/5a-b/../../../etc/passwd', '[ssd 1] ../x', '', 'a\0b'])
      expect(() => named(name)).toThrow(expect.objectContaining({ kind: 'corrupt' }));
    for (const name of ['/etc/passwd', '/vmfs/devices/disks/naa.6', '/vmfs/volumes/other/x'])
      expect(() => named(name)).toThrow(expect.objectContaining({ kind: 'unsupported' }));
    for (const text of ['web/web.vmdk', '[] x', ''])
      expect(() => parseDatastorePath(text)).toThrow(expect.objectContaining({ kind: 'corrupt' }));
  });

  it('is a URL whatever is in its names', () => {
    const path = parseDatastorePath('[a&b=c] x y/ü?#%.vmdk');
    expect(folderUrl(path, 'Europe/Köln 1')).toBe(
      '/folder/x%20y/%C3%BC%3F%23%25.vmdk?dcPath=Europe%2FK%C3%B6ln%201&dsName=a%26b%3Dc',
    );
  });
});
