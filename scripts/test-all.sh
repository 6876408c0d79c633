#!/usr/bin/env bash
# All tests: builds, fetches the foreign tools that judge us where it can (Debian, as root or with sudo), says which
# checks are left out where it can't, and ends with one line "N passed, N failed, N skipped".
# REQUIRE_ORACLES=1 makes a missing tool a failure.
set -u
cd "$(dirname "$0")/.."

# tool=package
oracles=(
  qemu-img=qemu-utils qemu-system-x86_64=qemu-system-x86 tmux=tmux sfdisk=fdisk sgdisk=gdisk mkfs.vfat=dosfstools
  mcopy=mtools mke2fs=e2fsprogs vmdkinfo=libvmdk-utils vhdiinfo=libvhdi-utils xmllint=libxml2-utils
  dbus-run-session=dbus gnome-keyring-daemon=gnome-keyring secret-tool=libsecret-tools sshd=openssh-server
  ssh-keygen=openssh-client virt-v2v=virt-v2v virt-inspector=guestfs-tools mkfs.xfs=xfsprogs mkfs.btrfs=btrfs-progs xz=xz-utils gzip=gzip
  bzip2=bzip2 zstd=zstd lz4=lz4 7zz=7zip
  age=age age-keygen=age script=bsdutils
  gdbus=libglib2.0-bin fusermount=fuse3 debugfs=e2fsprogs python3=python3
  libvirtd=libvirt-daemon virsh=libvirt-clients unshare=util-linux virt-xml-validate=libvirt-clients setpriv=util-linux
  grub-mkimage=grub-common cryptsetup=cryptsetup-bin
  sudo=sudo visudo=sudo ps=procps
  mmdebstrap=mmdebstrap
  linux.uml=user-mode-linux busybox=busybox-static
  ploop=ploop uml_mkcow=uml-utilities uml_moo=uml-utilities
  guestfish=libguestfs-tools hivexregedit=libwin-hivex-perl hivexsh=libhivex-bin cpio=cpio lsinitramfs=initramfs-tools-core rpm=rpm rpmbuild=rpm db_load=db-util sqlite3=sqlite3
  lzop=lzop cmark-gfm=cmark-gfm
  nbdkit=nbdkit nbdinfo=libnbd-bin nbdcopy=libnbd-bin qemu-nbd=qemu-utils qemu-io=qemu-utils openssl=openssl
  ntfs-3g=ntfs-3g mkntfs=ntfs-3g ntfsinfo=ntfs-3g genisoimage=genisoimage xorriso=xorriso xfs_db=xfsprogs losetup=mount
  smbd=samba pdbedit=samba smbclient=smbclient
  setfattr=attr setfacl=acl setcap=libcap2-bin
  go=golang-go dpkg-source=dpkg-dev curl=curl
)
PATH=$PATH:/usr/sbin:/sbin
export PATH
missing() {
  for pair in "${oracles[@]}"; do
    command -v "${pair%%=*}" >/dev/null 2>&1 || echo "${pair##*=}"
  done
}
packages=$(missing | sort -u | tr '\n' ' ')
# keytar's native part needs the library itself.
ldconfig -p 2>/dev/null | grep -q libsecret-1.so.0 || packages="$packages libsecret-1-0"
# The digests of disks.
ldconfig -p 2>/dev/null | grep -q libxxhash.so.0 || packages="$packages libxxhash0"
# Firmware is no command, nor are what vcsim is built with and the second client of its API.
[ -e /usr/share/OVMF/OVMF_CODE_4M.fd ] || packages="$packages ovmf"
[ -e /usr/lib/grub/i386-pc/boot.img ] || packages="$packages grub-pc-bin"
[ -d /usr/lib/grub/x86_64-efi ] || packages="$packages grub-efi-amd64-bin"
[ -d /usr/share/gocode/src/github.com/kr/pretty ] || packages="$packages golang-github-kr-pretty-dev"
[ -d /usr/share/gocode/src/github.com/google/uuid ] || packages="$packages golang-github-google-uuid-dev"
/usr/bin/python3 -W ignore -c 'import pyVmomi' 2>/dev/null || packages="$packages python3-pyvmomi"
# A second client of WinRM, and a second server of NTLM.
/usr/bin/python3 -W ignore -c 'import winrm, requests_ntlm' 2>/dev/null || packages="$packages python3-winrm"
/usr/bin/python3 -W ignore -c 'import gssapi' 2>/dev/null || packages="$packages python3-gssapi"
[ -e /etc/gss/mech.d/mech.ntlmssp.conf ] || packages="$packages gss-ntlmssp"
if [ -n "${packages// /}" ]; then
  root=
  [ "$(id -u)" = 0 ] || root='sudo -n'
  if command -v apt-get >/dev/null && { [ -z "$root" ] || $root true 2>/dev/null; }; then
    echo "Fetching from Debian: $packages"
    { $root apt-get update -qq &&
      DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends $packages; } >/tmp/vmferry-apt.log 2>&1 ||
      echo "some could not be installed, see /tmp/vmferry-apt.log"
  fi
  left=$(missing | sort -u | tr '\n' ' ')
  [ -z "${left// /}" ] || echo "Left out are the checks that need: $left"
fi

bash test/servers/vcsim-build.sh >/dev/null 2>/tmp/vmferry-vcsim.log ||
  echo "Left out are the checks that need vcsim, see /tmp/vmferry-vcsim.log"

npm run --silent build || { echo '0 passed, 1 failed'; exit 1; }
fail=0
# Besides the tests: told again at the end, where it is looked for.
broken=''
npx tsc -p . || broken="$broken types"
npx biome check . || broken="$broken lint"
npx tsx scripts/fuzz.ts --seconds 20 --seed $((RANDOM * 100)) || broken="$broken fuzz"
[ -z "$broken" ] || fail=1
report=$(mktemp)
npx vitest run --reporter=default --reporter=json --outputFile.json="$report" || fail=1
[ -z "$broken" ] || echo "Not well, see above:$broken"
node -e '
  const fs = require("node:fs");
  let r = { numPassedTests: 0, numFailedTests: 1, numPendingTests: 0, testResults: [] };
  try { r = JSON.parse(fs.readFileSync(process.argv[1], "utf8")); } catch {}
  const broken = r.testResults.filter((f) => f.status === "failed" && f.assertionResults.length === 0).length;
  const failed = r.numFailedTests + broken + (process.argv[2] === "1" && r.numFailedTests + broken === 0 ? 1 : 0);
  console.log(`${r.numPassedTests} passed, ${failed} failed, ${r.numPendingTests + (r.numTodoTests ?? 0)} skipped`);
' "$report" "$fail"
rm -f "$report"
exit $fail
