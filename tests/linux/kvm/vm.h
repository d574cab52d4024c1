/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One virtual machine of kvm-l2: its memory, processors and register state, over /dev/kvm alone.
 * Every call either works or ends the program with a line that names the step (die): a KVM that
 * refuses is a result, not a case to recover from. Knows the guests' memory map (guests.asm),
 * not what they do.
 */
#ifndef TOOLS_KVM_VM_H
#define TOOLS_KVM_VM_H

#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>

enum {
    VM_MEMORY = 16 << 20,
    VM_HIGH = 64 << 20,
    VM_HIGH_SIZE = 64 << 20,
    VM_CPUS = 2,
    VM_START = 0x1000
};
enum vm_mode { VM_REAL, VM_PROTECTED, VM_PAGED, VM_LONG };

struct vm {
    int kvm, fd, cpu[VM_CPUS];
    struct kvm_run *run[VM_CPUS];
    size_t run_size;
    uint8_t *low, *high; /* guest memory at 0, and at VM_HIGH (vm_add_high) */
};

/* Prints what went wrong, with errno's text, and ends the program. */
void die(const char *what) __attribute__((noreturn));

/* A machine with 16 MiB of memory, tables and GDT laid out, `cpus` processors; irqchip: KVM's
 * own APIC and PIC. */
void vm_open(struct vm *vm, int cpus, int irqchip);
void vm_close(struct vm *vm);

/* 64 MiB more at VM_HIGH; flags are KVM_MEM_*. */
void vm_add_high(struct vm *vm, uint32_t flags);

/* Copies the guest of this name to VM_START. */
void vm_load(struct vm *vm, const char *guest);

/* Puts processor `cpu` at VM_START in the mode. rdi, rsi, rdx, rbx are the guest's parameters. */
void vm_start(struct vm *vm, int cpu, enum vm_mode mode, const uint64_t parameters[4]);

void vm_regs(struct vm *vm, int cpu, struct kvm_regs *regs);
void vm_set_regs(struct vm *vm, int cpu, const struct kvm_regs *regs);

#endif
