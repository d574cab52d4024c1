/* SPDX-License-Identifier: BSD-2-Clause */
/* In place of the core's hv/core/privileged.h: see tests/machine/fake.h. */
#ifndef TESTS_MACHINE_FAKE_PRIVILEGED_H
#define TESTS_MACHINE_FAKE_PRIVILEGED_H

#include "hv/arch/cpuid_policy.h"

struct percpu;
struct percpu *percpu(void);
struct cpuid cpuid(u32 leaf, u32 sub);
void cpuid_gpr(u64 gpr[4], u64 leaf);
u64 rdmsr(u32 msr);
void wrmsr(u32 msr, u64 v);
bool rdmsr_safe(u32 msr, u64 *v) MUST_CHECK;
bool wrmsr_safe(u32 msr, u64 v) MUST_CHECK;
bool xsetbv_safe(u32 index, u64 v) MUST_CHECK;
static inline u64 index_mask(u64 i, u64 n)
{
    return i < n ? ~0ull : 0;
}

u64 rdtsc(void);
void outb(u16 port, u8 v);
u8 inb(u16 port);
u64 read_cr0(void);
u64 read_cr2(void);
u64 read_cr3(void);
u64 read_cr4(void);
u64 read_dr6(void);
u32 read_pkru(void);
void read_breakpoints(u64 dr[4]);
void write_cr0(u64 v);
void write_cr2(u64 v);
void write_cr3(u64 v);
void write_cr4(u64 v);
void clear_breakpoints(void);
void write_dr6(u64 v);
void wbinvd(void);

#endif
