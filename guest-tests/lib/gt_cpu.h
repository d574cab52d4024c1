/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions as C functions, for guest tests only. Each is the bare instruction; one that may
 * raise an exception is tried with GT_TRY (gt.h) by the test instead.
 */
#ifndef GUEST_TESTS_LIB_GT_CPU_H
#define GUEST_TESTS_LIB_GT_CPU_H

#include "hv/arch/types.h"

struct gt_cpuid {
    u32 eax, ebx, ecx, edx;
};

static inline struct gt_cpuid gt_cpuid(u32 leaf, u32 subleaf)
{
    struct gt_cpuid r;
    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(subleaf));
    return r;
}

static inline u64 gt_rdmsr(u32 msr)
{
    u32 lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (u64)hi << 32 | lo;
}

static inline void gt_wrmsr(u32 msr, u64 v)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

static inline u64 gt_xgetbv(u32 index)
{
    u32 lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(index));
    return (u64)hi << 32 | lo;
}

static inline void gt_xsetbv(u32 index, u64 v)
{
    __asm__ volatile("xsetbv" : : "c"(index), "a"((u32)v), "d"((u32)(v >> 32)));
}

static inline u64 gt_rdtsc(void)
{
    u32 lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (u64)hi << 32 | lo;
}

#define GT_REGISTER(NAME)                                               \
    static inline u64 gt_read_##NAME(void)                              \
    {                                                                   \
        u64 v;                                                          \
        __asm__ volatile("mov %%" #NAME ", %0" : "=r"(v) : : "memory"); \
        return v;                                                       \
    }                                                                   \
    static inline void gt_write_##NAME(u64 v)                           \
    {                                                                   \
        __asm__ volatile("mov %0, %%" #NAME : : "r"(v) : "memory");     \
    }
GT_REGISTER(cr0)
GT_REGISTER(cr2)
GT_REGISTER(cr3)
GT_REGISTER(cr4)
GT_REGISTER(cr8)
GT_REGISTER(dr0)
GT_REGISTER(dr1)
GT_REGISTER(dr2)
GT_REGISTER(dr3)
GT_REGISTER(dr6)
GT_REGISTER(dr7)
#undef GT_REGISTER

#define GT_SELECTOR(NAME)                                  \
    static inline u16 gt_read_##NAME(void)                 \
    {                                                      \
        u16 v;                                             \
        __asm__ volatile("mov %%" #NAME ", %0" : "=r"(v)); \
        return v;                                          \
    }
GT_SELECTOR(cs)
GT_SELECTOR(ds)
GT_SELECTOR(es)
GT_SELECTOR(fs)
GT_SELECTOR(gs)
GT_SELECTOR(ss)
#undef GT_SELECTOR

#define GT_PORT(NAME, TYPE, REG)                                                            \
    static inline TYPE gt_in##NAME(u16 port)                                                \
    {                                                                                       \
        TYPE v;                                                                             \
        __asm__ volatile("in" #NAME " %w1, %" #REG "0" : "=a"(v) : "Nd"(port));             \
        return v;                                                                           \
    }                                                                                       \
    static inline void gt_out##NAME(u16 port, TYPE v)                                       \
    {                                                                                       \
        __asm__ volatile("out" #NAME " %" #REG "0, %w1" : : "a"(v), "Nd"(port) : "memory"); \
    }
GT_PORT(b, u8, b)
GT_PORT(w, u16, w)
GT_PORT(l, u32, k)
#undef GT_PORT

static inline u64 gt_read_rflags(void)
{
    u64 v;
    __asm__ volatile("pushfq; pop %0" : "=r"(v) : : "memory");
    return v;
}

static inline void gt_write_rflags(u64 v)
{
    __asm__ volatile("push %0; popfq" : : "r"(v) : "memory", "cc");
}

struct gt_table_register {
    u16 limit;
    u64 base;
} __attribute__((packed));

static inline struct gt_table_register gt_sgdt(void)
{
    struct gt_table_register r;
    __asm__ volatile("sgdt %0" : "=m"(r));
    return r;
}

static inline struct gt_table_register gt_sidt(void)
{
    struct gt_table_register r;
    __asm__ volatile("sidt %0" : "=m"(r));
    return r;
}

static inline void gt_lgdt(struct gt_table_register r)
{
    __asm__ volatile("lgdt %0" : : "m"(r));
}

static inline void gt_lidt(struct gt_table_register r)
{
    __asm__ volatile("lidt %0" : : "m"(r));
}

static inline void gt_cli(void)
{
    __asm__ volatile("cli" : : : "memory");
}

static inline void gt_sti(void)
{
    __asm__ volatile("sti" : : : "memory");
}

/* What waits is taken; IF is 0 again behind it. */
static inline void gt_sti_nop_cli(void)
{
    __asm__ volatile("sti; nop; cli" : : : "memory");
}

/* Interrupts are taken inside; IF is 0 again behind it. */
static inline void gt_sti_hlt_cli(void)
{
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

static inline void gt_invlpg(const void *at)
{
    __asm__ volatile("invlpg (%0)" : : "r"(at) : "memory");
}

#endif
