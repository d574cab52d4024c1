/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instructions of root mode that C cannot express; hv/vmx/insn.h has those of VMX. An
 * instruction that may fault on a guest's value has an entry in .ex_table. Its function returns
 * false when the instruction faults.
 */
#ifndef HV_CORE_PRIVILEGED_H
#define HV_CORE_PRIVILEGED_H

#include "hv/arch/cpuid_policy.h"

/* Registers the instruction at label 1 in .ex_table. When it faults, execution goes on at label 2
 * (trap_handle). */
#define EX_TABLE ".pushsection .ex_table,\"a\"\n .balign 8\n .quad 1b, 2b\n .popsection\n"

/* What GS holds: percpu.h. */
struct percpu;
static inline struct percpu *percpu(void)
{
    struct percpu *p;
    __asm__ volatile("mov %%gs:0, %0" : "=r"(p));
    return p;
}

static inline struct cpuid cpuid(u32 leaf, u32 sub)
{
    struct cpuid r;
    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(sub));
    return r;
}

/* CPUID for a guest. leaf is the guest's RAX; gpr, in encoding order, gives the subleaf in RCX and
 * takes the result. CPUID itself clears the upper halves of the registers. */
static inline void cpuid_gpr(u64 gpr[4], u64 leaf)
{
    __asm__ volatile("cpuid"
                     : "=a"(gpr[0]), "=c"(gpr[1]), "=d"(gpr[2]), "=b"(gpr[3])
                     : "a"(leaf), "c"(gpr[1]));
}

static inline u64 rdmsr(u32 msr)
{
    u32 lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return ((u64)hi << 32) | lo;
}

static inline void wrmsr(u32 msr, u64 v)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

/* False when RDMSR causes #GP; *v is then unchanged. */
static inline MUST_CHECK bool rdmsr_safe(u32 msr, u64 *v)
{
    u32 lo, hi;
    u8 ok = 0;
    __asm__ volatile("1: rdmsr\n movb $1, %0\n2:\n" EX_TABLE
                     : "+q"(ok), "=a"(lo), "=d"(hi)
                     : "c"(msr));
    if (!ok)
        return false;
    *v = ((u64)hi << 32) | lo;
    return true;
}

/* False when WRMSR causes #GP; the MSR is then unchanged. */
static inline MUST_CHECK bool wrmsr_safe(u32 msr, u64 v)
{
    u8 ok = 0;
    __asm__ volatile("1: wrmsr\n movb $1, %0\n2:\n" EX_TABLE
                     : "+q"(ok)
                     : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32))
                     : "memory");
    return ok;
}

/* False when XSETBV causes #GP; the register is then unchanged. */
static inline MUST_CHECK bool xsetbv_safe(u32 index, u64 v)
{
    u8 ok = 0;
    __asm__ volatile("1: xsetbv\n movb $1, %0\n2:\n" EX_TABLE
                     : "+q"(ok)
                     : "c"(index), "a"((u32)v), "d"((u32)(v >> 32))
                     : "memory");
    return ok;
}

static inline u64 rdtsc(void)
{
    u32 lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return ((u64)hi << 32) | lo;
}

static inline void outb(u16 port, u8 v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline u8 inb(u16 port)
{
    u8 v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

/* All ones when i < n, else 0, without a branch that the processor could predict. Code ANDs a
 * guest's index with this mask after the check, so the index stays inside its table even in
 * speculation. */
static inline u64 index_mask(u64 i, u64 n)
{
    u64 mask;
    __asm__ volatile("cmp %2, %1\n sbb %0, %0" : "=r"(mask) : "r"(i), "r"(n) : "cc");
    return mask;
}

/* The guest's PKRU. L0 has no user pages, so PKRU restricts no access of L0's. @pre CR4.PKE is 1 */
static inline u32 read_pkru(void)
{
    u32 v;
    __asm__ volatile("rdpkru" : "=a"(v) : "c"(0) : "rdx");
    return v;
}

/* clang-format off */
static inline u64 read_cr0(void) { u64 v; __asm__ volatile("mov %%cr0, %0" : "=r"(v)); return v; }
static inline u64 read_cr2(void) { u64 v; __asm__ volatile("mov %%cr2, %0" : "=r"(v)); return v; }
static inline u64 read_cr3(void) { u64 v; __asm__ volatile("mov %%cr3, %0" : "=r"(v)); return v; }
static inline u64 read_cr4(void) { u64 v; __asm__ volatile("mov %%cr4, %0" : "=r"(v)); return v; }
static inline void read_breakpoints(u64 dr[4])
{
    __asm__ volatile("mov %%dr0, %0\n mov %%dr1, %1\n mov %%dr2, %2\n mov %%dr3, %3"
                     : "=r"(dr[0]), "=r"(dr[1]), "=r"(dr[2]), "=r"(dr[3]));
}

static inline u64 read_dr7(void) { u64 v; __asm__ volatile("mov %%dr7, %0" : "=r"(v)); return v; }
static inline u64 read_dr6(void) { u64 v; __asm__ volatile("mov %%dr6, %0" : "=r"(v)); return v; }
static inline void write_cr0(u64 v) { __asm__ volatile("mov %0, %%cr0" : : "r"(v) : "memory"); }
static inline void write_cr2(u64 v) { __asm__ volatile("mov %0, %%cr2" : : "r"(v) : "memory"); }
static inline void write_cr3(u64 v) { __asm__ volatile("mov %0, %%cr3" : : "r"(v) : "memory"); }
static inline void write_cr4(u64 v) { __asm__ volatile("mov %0, %%cr4" : : "r"(v) : "memory"); }
static inline void clear_breakpoints(void)
{
    __asm__ volatile("mov %0, %%dr0\n mov %0, %%dr1\n mov %0, %%dr2\n mov %0, %%dr3" : : "r"(0ull));
}

static inline void write_dr6(u64 v) { __asm__ volatile("mov %0, %%dr6" : : "r"(v) : "memory"); }
static inline void wbinvd(void) { __asm__ volatile("wbinvd" : : : "memory"); }
/* clang-format on */

#endif
