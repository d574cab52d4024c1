/* SPDX-License-Identifier: BSD-2-Clause */
/* The instructions that are not VMX's, and the parts of hv/core that consist of instructions.
 * Contracts in machine.h and in the headers of the core. */
#include "tests/machine/machine.h"
#include "hv/core/privileged.h"
#include "hv/core/log.h"
#include "hv/gdb/gdb.h"
#include "hv/paranoid/paranoid.h"
#include "hv/vmx/regs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_RESET 0xcf9

struct percpu *percpu(void)
{
    return machine.gs;
}

/* ---- CPUID and MSRs ------------------------------------------------------------------------- */

struct cpuid cpuid(u32 leaf, u32 sub)
{
    const struct check_cpuid *f = &machine.facts;
    const struct machine_box *box = machine.box;

    for (u32 i = 0; box && i < box->rows; i++)
        if (box->row[i].leaf == leaf && box->row[i].sub == sub)
            return box->row[i].r;
    if (box && box->rows)
        return (struct cpuid){0};
    switch (leaf) {
    case 0:
        return (struct cpuid){.eax = 0xd};
    case 1:
        return (struct cpuid){.ecx = 1u << 5 | 1u << 26, .edx = 1u << 7};
    case 7:
        return (struct cpuid){.ebx = 1u << 10 | (f->sgx ? 1u << 2 : 0) | (f->rtm ? 1u << 11 : 0)};
    case 0xa:
        return (struct cpuid){.eax = 4 | 4 << 8, .edx = 3};
    case 0xd:
        return (struct cpuid){.eax = 1u << 3};
    case 0x80000001:
        return (struct cpuid){.edx = 1u << 20 | 1u << 26 | 1u << 27};
    case 0x80000008:
        return (struct cpuid){.eax = (u32)f->maxphyaddr | (u32)f->linear_width << 8};
    default:
        return (struct cpuid){0};
    }
}

void cpuid_gpr(u64 gpr[4], u64 leaf)
{
    struct cpuid r = cpuid((u32)leaf, (u32)gpr[1]);
    gpr[0] = r.eax;
    gpr[1] = r.ecx;
    gpr[2] = r.edx;
    gpr[3] = r.ebx;
}

static u64 *msr_at(u32 msr)
{
    switch (msr) {
    case MSR_IA32_PAT:
        return &machine.msr_pat;
    case MSR_IA32_EFER:
        return &machine.msr_efer;
    case MSR_IA32_DEBUGCTL:
        return &machine.msr_debugctl;
    case MSR_IA32_PERF_GLOBAL_CTRL:
        return &machine.msr_perf;
    case MSR_IA32_ARCH_CAPABILITIES:
        return &machine.msr_arch_caps;
    case MSR_IA32_MCU_OPT_CTRL:
        return &machine.msr_mcu_opt;
    case MSR_IA32_SYSENTER_CS:
    case MSR_IA32_SYSENTER_ESP:
    case MSR_IA32_SYSENTER_EIP:
        return &machine.msr_sysenter[msr - MSR_IA32_SYSENTER_CS];
    default:
        return NULL;
    }
}

#define MTRR_ENABLED_WB 0x806u

u64 rdmsr(u32 msr)
{
    const u64 *words = &machine.caps.basic, *at = msr_at(msr);

    if (msr >= MSR_IA32_VMX_BASIC && msr <= MSR_IA32_VMX_EXIT_CTLS2)
        return words[msr - MSR_IA32_VMX_BASIC];
    if (msr == MSR_IA32_MTRR_DEF_TYPE)
        return MTRR_ENABLED_WB;
    if (msr == MSR_IA32_MTRRCAP)
        return 8;
    return at ? *at : 0;
}

bool rdmsr_safe(u32 msr, u64 *v)
{
    *v = rdmsr(msr);
    return true;
}

static bool canonical(u64 v)
{
    return ((v + machine.rules.linear_bias) & machine.rules.linear_reserved) == 0;
}

static bool pat_legal(u64 pat)
{
    for (u32 i = 0; i < 8; i++, pat >>= 8)
        if ((pat & 0xff) > 7 || (pat & 0xff) == 2 || (pat & 0xff) == 3)
            return false;
    return true;
}

bool wrmsr_safe(u32 msr, u64 v)
{
    u64 *at = msr_at(msr);

    if ((msr == MSR_IA32_PAT && !pat_legal(v)) ||
        (msr == MSR_IA32_DEBUGCTL && any(v, machine.facts.debugctl_reserved)) ||
        (msr == MSR_IA32_PERF_GLOBAL_CTRL && any(v, machine.facts.perf_global_reserved)) ||
        ((msr == MSR_IA32_SYSENTER_ESP || msr == MSR_IA32_SYSENTER_EIP) && !canonical(v)))
        return false;
    if (at)
        *at = v;
    return true;
}

void wrmsr(u32 msr, u64 v)
{
    if (!wrmsr_safe(msr, v))
        machine_bug("WRMSR of %x in root operation would be #GP", msr);
}

bool xsetbv_safe(u32 index, u64 v)
{
    return index == 0 && (v & 1);
}

u64 rdtsc(void)
{
    return machine.tsc += 7;
}

void outb(u16 port, u8 v)
{
    (void)v;
    if (port == PORT_RESET)
        machine_end();
}

u8 inb(u16 port)
{
    (void)port;
    return 0;
}

/* clang-format off */
u64 read_cr0(void) { return machine.cr0; }
u64 read_cr2(void) { return machine.cr2; }
u64 read_cr3(void) { return machine.cr3; }
u64 read_cr4(void) { return machine.cr4; }
u64 read_dr6(void) { return 0xffff0ff0; }
u32 read_pkru(void) { return machine.pkru; }
void write_cr0(u64 v) { machine.cr0 = v; }
void write_cr2(u64 v) { machine.cr2 = v; }
void write_cr3(u64 v) { machine.cr3 = v; }
void write_cr4(u64 v) { machine.cr4 = v; }
void clear_breakpoints(void) {}
void write_dr6(u64 v) { (void)v; }
/* clang-format on */
void wbinvd(void) {}

void read_breakpoints(u64 dr[4])
{
    memset(dr, 0, 4 * sizeof *dr);
}

/* ---- hv/core and the assembly ---------------------------------------------------------------- */

void vmx_exit(void) {}
void vmx_exit_short(void) {}
void vmx_exit_spec(void) {}
void vmx_exit_short_spec(void) {}
void vmx_exit_l2(void) {}
void vmx_exit_l2_spec(void) {}

void desc_init(struct desc *d, u8 *stacks, u64 gs_base, u16 cs, u16 ss)
{
    (void)stacks, (void)cs, (void)ss;
    d->gs_base = gs_base;
    machine.gs = (struct percpu *)gs_base;
}

void desc_load(struct desc *d)
{
    (void)d;
}

/* hv/paranoid/paranoid.c checks what only a real processor and the linker make. */
bool paranoid_reserve(struct cpu *cpu)
{
    (void)cpu;
    return true;
}

void paranoid_init(struct cpu *cpu, const struct boot_info *info)
{
    (void)cpu, (void)info;
}

void paranoid_check(struct cpu *cpu)
{
    (void)cpu;
}

/* hv/gdb talks to a serial line; the machine has none. */
const char *gdb_reserve(struct vm *vm, const struct boot_info *info)
{
    (void)vm, (void)info;
    return NULL;
}

void gdb_start(struct cpu *cpu)
{
    (void)cpu;
}

void gdb_before(struct cpu *cpu)
{
    (void)cpu;
}

bool gdb_after(struct cpu *cpu, enum vmx_enter how)
{
    (void)cpu, (void)how;
    return false;
}

void gdb_panic(struct cpu *cpu)
{
    (void)cpu;
    abort();
}

void cpu_shut_down(void)
{
    machine_bug("L0 shut down");
    abort();
}

void log_init(struct log *log, u32 kind, u32 verbose, u32 cpus)
{
    (void)kind, (void)cpus;
    log->verbose = verbose;
}

void log_line(const char *format, ...)
{
    char text[300];
    va_list args;
    if (strncmp(format, "bug", 3) != 0)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    machine_bug("%s", text);
}

void log_rare(enum log_kind kind, const char *format, ...)
{
    (void)kind;
    (void)format;
}

bool log_rare_begin(enum log_kind kind)
{
    return kind == LOG_BUG;
}

void log_begin(void) {}

void log_end(void)
{
    fputc('\n', stderr);
}

/* L0 tells a bug in parts before it panics or resets. The parts go to standard error. */
void log_part(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
}

void panic(const char *format, ...)
{
    char text[300];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    machine_bug("panic: %s", text);
}
