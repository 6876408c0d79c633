#!/usr/bin/env bash
# debian-guest.sh FOLDER: a small Debian in FOLDER/root, and FOLDER/bios.raw and FOLDER/uefi.raw made of it, as they
# would come from VMware: the root is /dev/sda1 (/dev/sda2) wherever it is named, the initramfs has the driver of its old
# controller alone, and static addresses belong to ens192 (ifupdown) and ens224 (systemd-networkd). Root has no password;
# the guest itself has a login on ttyS0. EXTRA: more packages. Nothing is mounted of the images. Needs root.
# apt: mmdebstrap grub-common grub-pc-bin grub-efi-amd64-bin e2fsprogs dosfstools mtools fdisk
set -euo pipefail
out=$1
root=$out/root
mkdir -p "$out"
# Of the kernel's modules only what machines are made of here: the others are 300 MB.
modules=()
for folder in drivers fs sound net/[!cp]* net/p[!a]*; do
  modules+=("--dpkgopt=path-exclude=/lib/modules/*/kernel/$folder/*")
done
for name in drivers/{virtio,net/virtio_net.ko,net/net_failover.ko,net/vmxnet3,net/ethernet/intel/e1000,scsi,ata,block,nvme} \
  fs/{ext4,jbd2,mbcache.ko,fat,nls,fuse,autofs,efivarfs,configfs}; do
  modules+=("--dpkgopt=path-include=/lib/modules/*/kernel/$name*")
done

if [ ! -e "$out/root.done" ]; then
  rm -rf "$root"
  mmdebstrap --quiet --mode=root --variant=minbase --format=directory \
    --include="systemd-sysv,udev,kmod,initramfs-tools,iproute2,ifupdown,zstd,linux-image-amd64${EXTRA:+,$EXTRA}" \
    --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' "${modules[@]}" \
    --extract-hook='mkdir -p "$1/etc/initramfs-tools/conf.d"
      printf "MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=1\n" >"$1/etc/initramfs-tools/conf.d/few"
      printf "vmw_pvscsi\nsd_mod\next4\n" >"$1/etc/initramfs-tools/modules"
      printf "/dev/sda1 / ext4 errors=remount-ro 0 1\n" >"$1/etc/fstab"' \
    bookworm "$root"
  chroot "$root" passwd -q -d root
  echo carried >"$root/etc/hostname"
  printf 'auto lo\niface lo inet loopback\n\nauto ens192\niface ens192 inet static\n  address 10.9.8.7/24\n' \
    >"$root/etc/network/interfaces"
  printf '[Match]\nName=ens224\n\n[Network]\nAddress=10.9.9.7/24\n' >"$root/etc/systemd/network/20-second.network"
  wants=$root/etc/systemd/system/multi-user.target.wants
  ln -sf /lib/systemd/system/systemd-networkd.service "$wants/systemd-networkd.service"
  for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
    dpkg-db-backup.timer systemd-networkd-wait-online.service; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
  done
  touch "$out/root.done"
fi

version=$(basename "$root"/boot/vmlinuz-*)
version=${version#vmlinuz-}

# image NAME DEVICE START SECTORS: the tree as ext4 in FOLDER/NAME.raw
image() {
  printf '%s / ext4 errors=remount-ro 0 1\n%s' "$2" "${5:-}" >"$root/etc/fstab"
  mkdir -p "$root/boot/grub" "$root/boot/efi"
  cat >"$root/boot/grub/grub.cfg" <<G
set default=0
set timeout=0
menuentry 'Debian GNU/Linux' --class debian --class gnu-linux --class gnu --class os {
	linux	/boot/vmlinuz-$version root=$2 ro console=tty0 console=ttyS0,115200
	initrd	/boot/initrd.img-$version
}
G
  mke2fs -q -t ext4 -L root -m 1 -d "$root" -E "offset=$(($3 * 512)),nodiscard" "$out/$1.part" "$(($4 / 2))k"
}

megabytes=${MEGABYTES:-512}
grub=/usr/lib/grub
common=(part_msdos part_gpt ext2 search search_fs_file normal configfile linux gzio echo)

truncate -s 0 "$out/bios.part"
truncate -s "${megabytes}M" "$out/bios.part"
sfdisk -q "$out/bios.part" <<<$'label: dos\nstart=2048, type=83, bootable'
image bios /dev/sda1 2048 $((megabytes * 2048 - 2048))
grub-mkimage -O i386-pc -d "$grub/i386-pc" -o "$out/core.img" -p '(hd0,msdos1)/boot/grub' biosdisk "${common[@]}"
dd if="$grub/i386-pc/boot.img" of="$out/bios.part" bs=440 count=1 conv=notrunc status=none
dd if="$out/core.img" of="$out/bios.part" bs=512 seek=1 conv=notrunc status=none
mv "$out/bios.part" "$out/bios.raw"

# Its loader lies where the variables of the old firmware tell, and nowhere else.
truncate -s 0 "$out/uefi.part" "$out/esp"
truncate -s "$((megabytes + 20))M" "$out/uefi.part"
truncate -s 16M "$out/esp"
mkfs.vfat -n ESP -i 1234ABCD "$out/esp" >/dev/null
printf 'search.file /boot/grub/grub.cfg root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n' >"$out/early.cfg"
grub-mkimage -O x86_64-efi -d "$grub/x86_64-efi" -o "$out/grubx64.efi" -p /boot/grub -c "$out/early.cfg" \
  "${common[@]}" efi_gop
mmd -i "$out/esp" ::EFI ::EFI/debian
mcopy -i "$out/esp" "$out/grubx64.efi" ::EFI/debian/grubx64.efi
sfdisk -q "$out/uefi.part" <<<$'label: gpt\nstart=2048, size=32768, type=U\nstart=34816, type=L'
dd if="$out/esp" of="$out/uefi.part" bs=1M seek=1 conv=notrunc,sparse status=none
image uefi /dev/sda2 34816 $((megabytes * 2048)) $'/dev/sda1 /boot/efi vfat umask=0077 0 1\n'
mv "$out/uefi.part" "$out/uefi.raw"
rm -rf "$out/core.img" "$out/esp" "$out/early.cfg" "$out/grubx64.efi"
