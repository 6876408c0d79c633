import { describe, expect, it } from 'vitest';
import {
  diskSpaceBytes,
  memoryBytes,
  parameterLists,
  parseConf,
  processorCount,
  withVeid,
} from '../../../src/env-plugins/openvz/conf.ts';
import type { Container } from '../../../src/env-plugins/openvz/container.ts';
import { ctidOfFile, isCtid } from '../../../src/env-plugins/openvz/ctid.ts';
import { machineOf } from '../../../src/env-plugins/openvz/machine.ts';
import { statesFromPrlctl, statesFromVzlist } from '../../../src/env-plugins/openvz/tools.ts';

const uuid = '26bc47f6-353f-444b-bc35-b634a88dbbcc';

describe('configuration of a container', () => {
  it('takes quotes, comments and what is not a line of it', () => {
    const conf = parseConf(
      `# A="1"\nONBOOT="yes"\nCPUS=2 # two\nNAME='it is'\nOPEN="half\nbad line\nlower="x"\n  IP_ADDRESS="10.0.0.1 2001:db8::1"\nONBOOT="no"\r\n`,
    );
    expect(Object.fromEntries(conf)).toEqual({
      ONBOOT: 'no',
      CPUS: '2',
      NAME: 'it is',
      OPEN: 'half',
      IP_ADDRESS: '10.0.0.1 2001:db8::1',
    });
  });

  it('runs nothing: values are as they are written', () => {
    const conf = parseConf('NAME="$(touch /tmp/x)"\nVE_PRIVATE="/vz/$(id)/`id`/$VEID"\n');
    expect(conf.get('NAME')).toBe('$(touch /tmp/x)');
    expect(withVeid(conf.get('VE_PRIVATE')!, '101')).toBe('/vz/$(id)/`id`/101');
  });

  it.each([
    ['/vz/private/$VEID', '/vz/private/101'],
    [`/vz/$\{VEID}/x`, '/vz/101/x'],
    ['/vz/$VEIDS/x', '/vz/$VEIDS/x'],
    ['/vz/$HOME/x', '/vz/$HOME/x'],
  ])('%s is %s', (value, path) => expect(withVeid(value, '101')).toBe(path));

  it.each([
    ['PHYSPAGES="0:262144"', 2 ** 30],
    ['PHYSPAGES="131072"', 2 ** 29],
    ['PHYSPAGES="0:512M"', 2 ** 29],
    ['PHYSPAGES="0:131072P"', 2 ** 29],
    ['PHYSPAGES="unlimited"', undefined],
    ['PHYSPAGES="0:9223372036854775807"\nPRIVVMPAGES="65536:69632"', 2 ** 28],
    ['PHYSPAGES="0:-1"', undefined],
    ['PHYSPAGES="$(reboot)"', undefined],
    ['RAM="768M"', 768 * 2 ** 20],
  ])('memory of %s', (text, bytes) => expect(memoryBytes(parseConf(text))).toBe(bytes));

  it.each([
    ['DISKSPACE="2097152:2306867"', 2 ** 31],
    ['DISKSPACE="10G:11G"', 10 * 2 ** 30],
    ['DISKSPACE="9223372036854775807:9223372036854775807"', undefined],
  ])('disk of %s', (text, bytes) => expect(diskSpaceBytes(parseConf(text))).toBe(bytes));

  it.each([
    ['CPUS="2"\nCPULIMIT="400"', 2],
    ['CPULIMIT="50"', 1],
    ['CPULIMIT="250%"', 3],
    ['CPULIMIT="0"', undefined],
    ['CPUS="99999999"', undefined],
  ])('processors of %s', (text, count) => expect(processorCount(parseConf(text))).toBe(count));

  it('takes lists apart', () => {
    const [first, second] = parameterLists('ifname=eth0,mac=00:18:51:E1:5C:A4,bridge=br0;ifname=eth1,,x');
    expect(first?.get('bridge')).toBe('br0');
    expect(second?.get('ifname')).toBe('eth1');
    expect(parameterLists(undefined)).toEqual([]);
  });
});

describe('names of containers', () => {
  it.each(['101', '2147483644', uuid, uuid.toUpperCase()])('%s', (id) => expect(isCtid(id)).toBe(true));
  it.each(['0', '', '-1', '--help', '../101', '101 ', '101;id', '$(id)', '1e3', `{${uuid}}`])(
    '%s is none',
    (id) => expect(isCtid(id)).toBe(false),
  );
  it.each(['0.conf', 've-basic.conf-sample', '../1.conf', '1.conf~', 'a b.conf', '1.mount'])(
    'file %s is none',
    (name) => expect(ctidOfFile(name)).toBeUndefined(),
  );
});

describe('what the tools say', () => {
  it('vzlist', () => {
    const text = `       101 running  \n${uuid.padStart(36)} stopped  \n  ../7 running\nrubbish\n`;
    expect([...statesFromVzlist(text)]).toEqual([
      ['101', 'running'],
      [uuid, 'stopped'],
    ]);
  });
  it('prlctl', () => {
    const text = JSON.stringify([{ uuid: `{${uuid.toUpperCase()}}`, status: 'running' }, { uuid: 7 }, null]);
    expect([...statesFromPrlctl(text)]).toEqual([[uuid, 'running']]);
    expect(statesFromPrlctl('').size).toBe(0);
    expect(() => statesFromPrlctl('{')).toThrow('not JSON');
    expect(() => statesFromPrlctl('{}')).toThrow('not a list');
  });
});

describe('the machine of a container', () => {
  const container = (text: string, more: Partial<Container> = {}): Container => ({
    ctid: '101',
    conf: parseConf(text),
    privateArea: '/vz/private/101',
    layout: 'simfs',
    disks: [],
    devices: [],
    scripts: [],
    ...more,
  });

  it('venet and veth, devices, system, scripts', () => {
    const machine = machineOf(
      container(
        `HOSTNAME="web.example.org"\nOSTEMPLATE="debian-8.0-x86_64-minimal"\nIP_ADDRESS="10.0.0.1 10.0.0.2"\nNETIF="ifname=eth0,bridge=vmbr1,mac=00:18:51:E1:5C:A4,host_ifname=veth101.0;ifname=eth1,mac=$(id)"\nDEVNODES="net/tun:rw "\n`,
        { scripts: ['101.mount'] },
      ),
      'stopped',
    );
    expect(machine).toMatchObject({
      name: 'web.example.org',
      state: 'off',
      system: { name: 'Debian GNU/Linux 8.0', architecture: 'x86_64', hostname: 'web.example.org' },
      nics: [{ network: 'venet0' }, { mac: '00:18:51:e1:5c:a4', network: 'vmbr1' }, {}],
      devices: { bound: ['device node net/tun:rw'] },
    });
    expect(machine.findings.map((f) => f.rule)).toEqual([
      'openvz.no-kernel',
      'openvz.init-differs',
      'openvz.no-partition-table',
      'openvz.folder',
      'openvz.venet',
      'openvz.scripts',
    ]);
  });

  it.each([
    ['running', 'running'],
    ['paused', 'running'],
    ['mounted', 'running'],
    ['suspended', 'suspended'],
    ['stopped', 'off'],
    ['odd', 'unknown'],
    [undefined, 'unknown'],
  ])('%s is %s', (status, state) => expect(machineOf(container(''), status).state).toBe(state));

  it.each([
    ['.centos-7-x86_64', 'CentOS 7'],
    ['ubuntu-14.04-x86_64', 'Ubuntu 14.04'],
    ['.odd-1', 'odd 1'],
    ['$(id)', undefined],
  ])('system of %s', (template, name) =>
    expect(machineOf(container(`OSTEMPLATE="${template}"`), undefined).system?.name).toBe(name),
  );
});
