#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# payload.sh [qemu | xen | stick]: puts Debian's kernel and a small initramfs into build/l1/ (vmlinuz,
# initrd.img). "qemu" also makes qemu.img, a second initramfs that holds this machine's QEMU and the
# two files for its guest. "xen" also makes Xen, its configuration and the kernel of its domain 0:
# xen.efi, xen.cfg, dom0. "stick" also makes stick/: Debian's generic kernel, which knows laptops, and the
# initramfs with its modules for disks, USB, keyboards and KVM. The script installs nothing: it downloads packages as files and unpacks
# them. It does so once, until `make clean`. A changed program in tests/linux rebuilds the initramfs
# only.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=build/l1
mkdir -p "$out/deb"
exec 9>"$out/lock" && flock 9

fetch() { # downloads package $1 into $out/deb and prints the file's name
    local found
    found=$(find "$out/deb" -name "$1_*.deb" | head -n 1)
    if [ -z "$found" ]; then
        (cd "$out/deb" && apt-get -qq download "$1" 2>/dev/null) || {
            [ "$(id -u)" = 0 ] && apt-get -qq update >/dev/null 2>&1
            (cd "$out/deb" && apt-get -qq download "$1" 2>/dev/null)
        } || { echo "payload: apt-get download $1 failed: no network? (or, as root: apt-get update)" >&2; return 1; }
        found=$(find "$out/deb" -name "$1_*.deb" | head -n 1)
    fi
    echo "$found"
}

unpack() { # package $1, below $2
    local file
    file=$(fetch "$1") || exit 1
    dpkg-deb -x "$file" "$2"
}

unpack_needed() { # the first package whose name begins with $2 among those that $1 depends on, below $3
    local file
    file=$(fetch "$1") || exit 1
    unpack "$(dpkg-deb -f "$file" Depends | grep -oE "$2[^ ,]+" | head -n 1)" "$3"
}

kernel() {
    [ ! -s "$out/vmlinuz" ] || return 0
    echo "  fetching Debian's kernel (linux-image-cloud-amd64)"
    unpack_needed linux-image-cloud-amd64 linux-image- "$out/kernel"
    cp "$out"/kernel/boot/vmlinuz-* "$out/vmlinuz"
}

busybox() {
    [ ! -s "$out/busybox" ] || return 0
    echo "  fetching busybox-static"
    unpack busybox-static "$out/bb"
    cp "$out/bb/bin/busybox" "$out/busybox" 2>/dev/null || cp "$out/bb/usr/bin/busybox" "$out/busybox"
}

kvm_program() { # links kvm-l2 and its guests into $1
    nasm -f bin tests/linux/kvm/guests.asm -o "$out/guests.bin"
    (cd "$out" && objcopy -I binary -O elf64-x86-64 --rename-section .data=.rodata,alloc,load,readonly,data,contents \
        --add-section .note.GNU-stack=/dev/null guests.bin guests.o)
    ${CC:-gcc} -O2 -static -pthread -Wall -Wextra -Werror -I. tests/linux/kvm/*.c "$out/guests.o" -o "$1/bin/kvm-l2"
    strip "$1/bin/kvm-l2"
    ln -s kvm-l2 "$1/bin/run-l2"
    cp tests/linux/kvm/expected "$1/etc/kvm-l2.expected"
    mkdir -p "$1/lib"
    find "$out/kernel" \( -name kvm.ko -o -name kvm-intel.ko -o -name irqbypass.ko \) -exec cp {} "$1/lib/" \;
}

initramfs() {
    local root=$out/root name
    rm -rf "$root"
    mkdir -p "$root"/{bin,etc,dev,proc,sys,tmp}
    ${CC:-gcc} -O2 -static -Wall -Wextra -Werror -I. tests/linux/init.c -o "$root/init"
    ${CC:-gcc} -O2 -static -Wall -Wextra -Werror -I. tests/linux/nidus-info.c -o "$root/bin/nidus-info"
    strip "$root/init" "$root/bin/nidus-info"
    kvm_program "$root"
    ln -s /init "$root/bin/e9"
    ln -s /init "$root/bin/l1-off"
    cp "$out/busybox" "$root/bin/"
    for name in sh ls cat dmesg grep head tail less vi ps top mount mkdir uname cttyhack setsid insmod lsmod \
        modprobe dd hexdump free sleep echo stty reset time sed cmp nproc taskset; do ln -s busybox "$root/bin/$name"; done
    cp tests/linux/rc "$root/etc/rc"
    (cd "$root" && find . | sort | cpio -o -H newc -R 0:0 --quiet) >"$out/initrd.img.new"
    mv "$out/initrd.img.new" "$out/initrd.img"
}

qemu() { # packs QEMU, every library it wants, and the firmware that the machine type microvm reads
    local root=$out/qemu
    rm -rf "$root"
    mkdir -p "$root"/{bin,boot,usr/bin,usr/share/qemu}
    cp tests/linux/qemu-linux "$root/bin/"
    cp "$(command -v qemu-system-x86_64)" "$root/usr/bin/"
    ldd "$root/usr/bin/qemu-system-x86_64" | grep -oE '/[^ ]+' | while read -r f; do
        mkdir -p "$root${f%/*}"
        cp -L "$f" "$root$f"
    done
    cp /usr/share/qemu/{qboot.rom,pvh.bin,linuxboot_dma.bin} "$root/usr/share/qemu/"
    cp "$out/vmlinuz" "$out/initrd.img" "$root/boot/"
    (cd "$root" && find . | sort | cpio -o -H newc -R 0:0 --quiet) >"$out/qemu.img.new"
    mv "$out/qemu.img.new" "$out/qemu.img"
    rm -rf "$root"
}

# acpi=off, because there are no ACPI tables; so Xen uses no I/O APIC. Without a table of processors
# Xen counts none unless mce=0 is given, and it faults in x2APIC mode.
xen() {
    echo "  fetching Xen and a kernel for its domain 0"
    unpack_needed xen-system-amd64 xen-hypervisor- "$out/xen"
    unpack_needed linux-image-amd64 linux-image- "$out/xen"
    cp "$out"/xen/boot/vmlinuz-* "$out/dom0"
    printf '[global]\ndefault=nidus\n[nidus]\noptions=%s\nkernel=dom0 %s\nramdisk=initrd.img\n' \
        "console=com1 com1=115200,8n1 loglvl=all acpi=off mce=0 x2apic=0 noreboot" \
        "console=hvc0 initcall_blacklist=cmos_init cryptomgr.notests=1 nokaslr -- test" >"$out/xen.cfg"
    cp "$out"/xen/boot/xen-*.efi "$out/xen.efi"
    rm -rf "$out/xen"
}

STICK_MODULES="xhci_pci ehci_pci usb_storage uas usbhid hid_generic ata_piix ahci sd_mod vfat nls_cp437 nls_ascii kvm_intel"

needs() { # prints module $1 behind the modules that it needs, as paths below $2
    local file name
    file=$(find "$2" -name "${1//_/[-_]}.ko" | head -n 1)
    [ -n "$file" ] || { echo "payload: the kernel has no module $1" >&2; return 1; }
    for name in $(strings -a "$file" | sed -n 's/^depends=//p' | tr ',' ' '); do needs "$name" "$2" || return 1; done
    echo "$file"
}

stick() {
    local root=$out/stick/root unpacked=$out/stick/unpacked
    rm -rf "$out/stick"
    mkdir -p "$out/stick"
    echo "  fetching Debian's generic kernel (linux-image-amd64)"
    unpack_needed linux-image-amd64 linux-image- "$unpacked"
    cp "$unpacked"/boot/vmlinuz-* "$out/stick/vmlinuz"
    cp -r "$out/root" "$root"
    rm -rf "$root/lib"
    mkdir -p "$root/lib" "$root/mnt"
    for name in findfs sync umount poweroff tee; do ln -sf busybox "$root/bin/$name"; done
    for name in $STICK_MODULES; do needs "$name" "$unpacked"; done | awk '!seen[$0]++' | while read -r file; do
        cp "$file" "$root/lib/"
        basename "$file" >>"$root/lib/order"
    done
    (cd "$root" && find . -exec touch -h -d @0 {} + && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --reproducible --quiet) | gzip -9n >"$out/stick/initrd.img"
    rm -rf "$root" "$unpacked"
}

kernel
busybox
for f in tests/linux/init.c tests/linux/rc tests/linux/nidus-info.c tests/linux/leaves.h tools/make/payload.sh hv/arch/vmx_exit.def hv/arch/vmx_error.def hv/trace/record.h tests/linux/kvm/*; do
    [ "$out/initrd.img" -nt "$f" ] || { initramfs; break; }
done
[ "${1:-}" != xen ] || [ "$out/xen.efi" -nt tools/make/payload.sh ] || xen
[ "${1:-}" != qemu ] || for f in "$out/initrd.img" tests/linux/qemu-linux tools/make/payload.sh; do
    [ "$out/qemu.img" -nt "$f" ] || { qemu; break; }
done
[ "${1:-}" != stick ] || for f in "$out/initrd.img" tools/make/payload.sh; do
    [ "$out/stick/initrd.img" -nt "$f" ] || { stick; break; }
done
