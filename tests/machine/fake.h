/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instructions of hv/vmx/insn.h as functions of a processor made of memory (cpu.c). The
 * Makefile includes this file ahead of every source of the core that it compiles for the host. In
 * the search for headers, tests/machine/fake stands before the tree's root. So hv/vmx/insn.h,
 * hv/core/privileged.h, GS and vmx_enter of hv/vmx/regs.h are replaced. Everything else is the
 * product's.
 */
#ifndef TESTS_MACHINE_FAKE_H
#define TESTS_MACHINE_FAKE_H

#define HV_VMX_INSN_H

#include "hv/arch/bits.h"

/* in place of hv/vmx/insn.h */
enum vmx_status { VMX_OK = 0, VMX_FAIL_INVALID = 1, VMX_FAIL_VALID = 2 };
enum invept_type { INVEPT_SINGLE = 1, INVEPT_ALL = 2 };
/* clang-format off */
enum invvpid_type {
    INVVPID_ADDRESS = 0, INVVPID_SINGLE = 1, INVVPID_ALL = 2, INVVPID_SINGLE_KEEP_GLOBAL = 3,
};
/* clang-format on */
struct vmx_descriptor {
    u64 lo, hi;
};
enum vmx_status vmxon(hpa_t region) MUST_CHECK;
enum vmx_status vmxoff(void) MUST_CHECK;
enum vmx_status vmclear(hpa_t region) MUST_CHECK;
enum vmx_status vmptrld(hpa_t region) MUST_CHECK;
enum vmx_status vmread(u64 field, u64 *v) MUST_CHECK;
enum vmx_status vmwrite(u64 field, u64 v) MUST_CHECK;
enum vmx_status invept(enum invept_type type, u64 eptp) MUST_CHECK;
enum vmx_status invvpid(enum invvpid_type type, u16 vpid, u64 gla) MUST_CHECK;
void vmcs_read_refused(u64 field) __attribute__((noreturn, cold));
void vmcs_write_refused(u64 field, u64 v) __attribute__((noreturn, cold));
u64 vmcs_read(u64 field);
void vmcs_write(u64 field, u64 v);
void vmcs_region_refused(u64 hpa) __attribute__((noreturn, cold));
static inline void invvpid_ours(u64 type, const struct vmx_descriptor *d)
{
    if (invvpid((enum invvpid_type)type, (u16)d->lo, 0) != VMX_OK)
        vmcs_region_refused(d->lo);
}

static inline void vmclear_ours(const hpa_t *region)
{
    if (vmclear(*region) != VMX_OK)
        vmcs_region_refused(region->a);
}
static inline void vmptrld_ours(const hpa_t *region)
{
    if (vmptrld(*region) != VMX_OK)
        vmcs_region_refused(region->a);
}
static inline u64 vmcs_get(u64 field)
{
    return vmcs_read(field);
}
static inline u64 vmcs_get_first(u64 field)
{
    return vmcs_read(field);
}
static inline void vmcs_set(u64 field, u64 v)
{
    vmcs_write(field, v);
}
static inline void vmcs_put(u64 field, const u64 *v)
{
    vmcs_write(field, *v);
}

/* hv/vmx/regs.h with another vmx_enter */
#define vmx_enter(regs, launched) vmx_enter_by_assembly(regs, launched)
#include "hv/vmx/regs.h"
#undef vmx_enter
enum vmx_enter vmx_enter(struct regs *regs, u64 launched);

#endif
