/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine of kvm-l2 (vm.h): ioctls and the memory map that guests.asm relies on.
 */
#include "tests/linux/kvm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* guests.asm's map. */
enum {
    GDTR = 0x7f0,
    GDT = 0x800,
    TSS = 0x4000,
    STACK = 0xf000,
    PML4 = 0x10000,
    PDPT = 0x11000,
    PD = 0x12000
};
enum {
    PAGES32 = 0x18000,
    PAGES_PAE = 0x19000,
    GDT_ENTRIES = 9,
    TSS_GAP = (int)0xfffbd000,
    IDENTITY_GAP = (int)0xfffbc000
};
enum { CODE64 = 0x08, DATA = 0x10, CODE32 = 0x18, TSS_SELECTOR = 0x50 };
enum { PRESENT_WRITE_USER = 7, LARGE = 0x80, EFER_LMA_LME = 0x500, CR4_PSE = 0x10, CR4_PAE = 0x20 };
#define CR0_PE    1u
#define CR0_PG_PE 0x80000001u

extern const uint8_t _binary_guests_bin_start[];

void die(const char *what)
{
    printf("kvm-l2: %s: %s\n", what, strerror(errno));
    exit(2);
}

static void must(int result, const char *what)
{
    if (result < 0)
        die(what);
}

static void *must_map(size_t size, int flags, int fd, const char *what)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (p == MAP_FAILED)
        die(what);
    return p;
}

static void add_memory(struct vm *vm, uint32_t slot, uint64_t gpa, uint8_t *where, uint64_t size,
                       uint32_t flags)
{
    struct kvm_userspace_memory_region region = {slot, flags, gpa, size, (uintptr_t)where};
    must(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
}

static void put64(struct vm *vm, uint32_t where, uint64_t value)
{
    memcpy(vm->low + where, &value, sizeof value);
}

/* Identity maps of 4 GiB: 2 MiB pages below PML4 and for PAE; 4 MiB pages for 32-bit paging, where
 * the page at 12 MiB stands for page 0 and what lies from 1 GiB to 2 GiB is absent. */
static void lay_pages(struct vm *vm)
{
    put64(vm, PML4, PDPT | PRESENT_WRITE_USER);
    for (uint32_t i = 0; i < 4; i++) {
        put64(vm, PDPT + 8 * i, (PD + 4096 * i) | PRESENT_WRITE_USER);
        put64(vm, PAGES_PAE + 8 * i, (PD + 4096 * i) | 1);
    }
    for (uint64_t i = 0; i < 2048; i++)
        put64(vm, (uint32_t)(PD + 8 * i), i << 21 | LARGE | PRESENT_WRITE_USER);
    for (uint32_t i = 0; i < 1024; i++) {
        uint32_t entry = (i == 3 ? 0 : i) << 22 | LARGE | PRESENT_WRITE_USER;
        entry = i >= 256 && i < 512 ? 0 : entry;
        memcpy(vm->low + PAGES32 + 4 * i, &entry, sizeof entry);
    }
}

static void lay_gdt(struct vm *vm)
{
    static const uint64_t gdt[GDT_ENTRIES] = {
        0,
        0x00af9b000000ffff, /* 64-bit code */
        0x00cf93000000ffff, /* data */
        0x00cf9b000000ffff, /* 32-bit code */
        0x00009b000000ffff, /* 16-bit code */
        0x000093000000ffff, /* 16-bit data */
        0x00cffb000000ffff, /* ring 3: 32-bit code, data, 64-bit code */
        0x00cff3000000ffff,
        0x00affb000000ffff,
    };
    const uint16_t limit = sizeof gdt - 1;
    memcpy(vm->low + GDT, gdt, sizeof gdt);
    memcpy(vm->low + GDTR, &limit, sizeof limit);
    put64(vm, GDTR + 2, GDT);
    put64(vm, TSS + 4, 0xe000); /* RSP0 */
}

static void show_cpuid(struct vm *vm, int cpu)
{
    enum { ENTRIES = 200 };
    struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + ENTRIES * sizeof cpuid->entries[0]);
    if (!cpuid)
        die("memory");
    cpuid->nent = ENTRIES;
    must(ioctl(vm->kvm, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
    must(ioctl(vm->cpu[cpu], KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
    free(cpuid);
}

static void add_cpu(struct vm *vm, int cpu)
{
    must(vm->cpu[cpu] = ioctl(vm->fd, KVM_CREATE_VCPU, cpu), "KVM_CREATE_VCPU");
    vm->run[cpu] = must_map(vm->run_size, MAP_SHARED, vm->cpu[cpu], "the processor's page");
    show_cpuid(vm, cpu);
}

void vm_open(struct vm *vm, int cpus, int irqchip)
{
    uint64_t identity = (uint32_t)IDENTITY_GAP;
    memset(vm, 0, sizeof *vm);
    must(vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
    must(vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    must(ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity), "KVM_SET_IDENTITY_MAP_ADDR");
    must(ioctl(vm->fd, KVM_SET_TSS_ADDR, (unsigned long)(uint32_t)TSS_GAP), "KVM_SET_TSS_ADDR");
    if (irqchip)
        must(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
    vm->low = must_map(VM_MEMORY, MAP_PRIVATE | MAP_ANONYMOUS, -1, "memory");
    add_memory(vm, 0, 0, vm->low, VM_MEMORY, 0);
    lay_pages(vm);
    lay_gdt(vm);
    int size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    must(size, "KVM_GET_VCPU_MMAP_SIZE");
    vm->run_size = (size_t)size;
    for (int i = 0; i < cpus; i++)
        add_cpu(vm, i);
}

void vm_add_high(struct vm *vm, uint32_t flags)
{
    if (!vm->high)
        vm->high = must_map(VM_HIGH_SIZE, MAP_PRIVATE | MAP_ANONYMOUS, -1, "memory");
    add_memory(vm, 1, VM_HIGH, vm->high, VM_HIGH_SIZE, flags);
}

void vm_close(struct vm *vm)
{
    for (int i = 0; i < VM_CPUS; i++) {
        if (vm->run[i]) {
            munmap(vm->run[i], vm->run_size);
            close(vm->cpu[i]);
        }
    }
    close(vm->fd);
    close(vm->kvm);
    munmap(vm->low, VM_MEMORY);
    if (vm->high)
        munmap(vm->high, VM_HIGH_SIZE);
}

void vm_load(struct vm *vm, const char *guest)
{
    const uint8_t *entry = _binary_guests_bin_start;
    uint32_t place[2];
    while (entry[0] && strcmp((const char *)entry, guest) != 0)
        entry += 24;
    if (!entry[0])
        die(guest);
    memcpy(place, entry + 16, sizeof place);
    memcpy(vm->low + VM_START, _binary_guests_bin_start + place[0], place[1]);
}

static struct kvm_segment segment(uint16_t selector, uint8_t type, enum vm_mode mode)
{
    struct kvm_segment s = {
        .selector = selector, .limit = 0xffffffff, .type = type, .present = 1, .s = 1, .g = 1};
    s.l = mode == VM_LONG && type == 11;
    s.db = !s.l;
    return s;
}

static void set_mode(struct kvm_sregs *s, enum vm_mode mode)
{
    struct kvm_segment data = segment(DATA, 3, mode);
    s->cs = segment(mode == VM_LONG ? CODE64 : CODE32, 11, mode);
    s->ds = s->es = s->fs = s->gs = s->ss = data;
    s->gdt.base = GDT;
    s->gdt.limit = 8 * GDT_ENTRIES - 1;
    s->tr = (struct kvm_segment){
        .base = TSS, .limit = 0x67, .selector = TSS_SELECTOR, .type = 11, .present = 1};
    s->cr0 |= mode == VM_PROTECTED ? CR0_PE : CR0_PG_PE;
    s->cr3 = mode == VM_LONG ? PML4 : PAGES32;
    s->cr4 = mode == VM_LONG ? CR4_PAE : CR4_PSE;
    s->efer = mode == VM_LONG ? EFER_LMA_LME : 0;
}

void vm_start(struct vm *vm, int cpu, enum vm_mode mode, const uint64_t parameters[4])
{
    struct kvm_sregs sregs;
    struct kvm_regs regs = {.rip = VM_START, .rsp = (uint64_t)(STACK - 0x100 * cpu), .rflags = 2};
    must(ioctl(vm->cpu[cpu], KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
    sregs.cs.selector = 0;
    sregs.cs.base = 0;
    if (mode != VM_REAL)
        set_mode(&sregs, mode);
    must(ioctl(vm->cpu[cpu], KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
    if (parameters) {
        regs.rdi = parameters[0];
        regs.rsi = parameters[1];
        regs.rdx = parameters[2];
        regs.rbx = parameters[3];
    }
    vm_set_regs(vm, cpu, &regs);
}

void vm_regs(struct vm *vm, int cpu, struct kvm_regs *regs)
{
    must(ioctl(vm->cpu[cpu], KVM_GET_REGS, regs), "KVM_GET_REGS");
}

void vm_set_regs(struct vm *vm, int cpu, const struct kvm_regs *regs)
{
    must(ioctl(vm->cpu[cpu], KVM_SET_REGS, regs), "KVM_SET_REGS");
}
