/* SPDX-License-Identifier: BSD-2-Clause */
/* VMX instructions as functions for the guest tests: flags in, nothing judged. */
#ifndef GUEST_TESTS_LIB_VMX_INSN_H
#define GUEST_TESTS_LIB_VMX_INSN_H

#include "guest-tests/lib/vmx.h"

/* How a VMX instruction ended. SDM 3C 31.2 "Conventions": CF = no current VMCS, ZF =
 * with a number. */
enum vmx_status { VMX_OK, VMX_FAIL_INVALID, VMX_FAIL_VALID };

#define VMX_INSN(TEXT, ...)                                     \
    ({                                                          \
        u8 cf_, zf_;                                            \
        __asm__ volatile(TEXT "\n\tsetc %0\n\tsetz %1"          \
                         : "=&q"(cf_), "=&q"(zf_)               \
                         : __VA_ARGS__                          \
                         : "memory", "cc");                     \
        cf_ ? VMX_FAIL_INVALID : zf_ ? VMX_FAIL_VALID : VMX_OK; \
    })

/* clang-format off */
static inline enum vmx_status vmx_vmxon(u64 pa) { return VMX_INSN("vmxon %2", "m"(pa)); }
static inline enum vmx_status vmx_vmclear(u64 pa) { return VMX_INSN("vmclear %2", "m"(pa)); }
static inline enum vmx_status vmx_vmptrld(u64 pa) { return VMX_INSN("vmptrld %2", "m"(pa)); }
/* clang-format on */

static inline enum vmx_status vmx_vmxoff(void)
{
    u8 cf, zf;

    __asm__ volatile("vmxoff\n\tsetc %0\n\tsetz %1" : "=q"(cf), "=q"(zf) : : "memory", "cc");
    return cf ? VMX_FAIL_INVALID : zf ? VMX_FAIL_VALID : VMX_OK;
}

static inline enum vmx_status vmx_vmptrst(u64 *pa)
{
    u8 cf, zf;

    __asm__ volatile("vmptrst %2\n\tsetc %0\n\tsetz %1" : "=q"(cf), "=q"(zf), "=m"(*pa) : : "cc");
    return cf ? VMX_FAIL_INVALID : zf ? VMX_FAIL_VALID : VMX_OK;
}

static inline enum vmx_status vmx_vmwrite(u64 enc, u64 v)
{
    return VMX_INSN("vmwrite %3, %2", "r"(enc), "r"(v));
}

/* *v keeps its value when the read fails. */
static inline enum vmx_status vmx_vmread(u64 enc, u64 *v)
{
    u8 cf, zf;

    __asm__ volatile("vmread %3, %2\n\tsetc %0\n\tsetz %1"
                     : "=&q"(cf), "=&q"(zf), "+&r"(*v)
                     : "r"(enc)
                     : "memory", "cc");
    return cf ? VMX_FAIL_INVALID : zf ? VMX_FAIL_VALID : VMX_OK;
}

/* The field's value; 0 when it cannot be read. */
static inline u64 vmx_get(u64 enc)
{
    u64 v = 0;

    vmx_vmread(enc, &v);
    return v;
}

#endif
