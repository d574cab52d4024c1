/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The only inline assembly for VMX instructions. The functions named after an instruction return a
 * status from CF and ZF. vmcs_read and vmcs_write are for fields that must exist in the current
 * VMCS: a refusal is a bug of L0's and panics with the field's name.
 * SDM 3C 31.2 "Conventions"
 */
#ifndef HV_VMX_INSN_H
#define HV_VMX_INSN_H

#include "hv/arch/bits.h"

enum vmx_status {
    VMX_OK = 0,
    VMX_FAIL_INVALID = 1, /* CF: no current VMCS, or the operand was refused without one */
    VMX_FAIL_VALID = 2,   /* ZF: the VM-instruction error field says why */
};

struct vmx_descriptor {
    u64 lo, hi; /* INVEPT: EPTP, 0. INVVPID: VPID, linear address */
};

enum invept_type { INVEPT_SINGLE = 1, INVEPT_ALL = 2 };
/* clang-format off */
enum invvpid_type {
    INVVPID_ADDRESS = 0, INVVPID_SINGLE = 1, INVVPID_ALL = 2, INVVPID_SINGLE_KEEP_GLOBAL = 3,
};
/* clang-format on */

#define VMX_STATUS(cf, zf) ((cf) ? VMX_FAIL_INVALID : (zf) ? VMX_FAIL_VALID : VMX_OK)
#define VMX_FLAGS(cf, zf)  "=@ccc"(cf), "=@ccz"(zf)

static inline MUST_CHECK enum vmx_status vmxon(hpa_t region)
{
    bool cf, zf;
    __asm__ volatile("vmxon %2" : VMX_FLAGS(cf, zf) : "m"(region.a) : "memory");
    return VMX_STATUS(cf, zf);
}

static inline MUST_CHECK enum vmx_status vmxoff(void)
{
    bool cf, zf;
    __asm__ volatile("vmxoff" : VMX_FLAGS(cf, zf) : : "memory");
    return VMX_STATUS(cf, zf);
}

static inline MUST_CHECK enum vmx_status vmread(u64 field, u64 *v)
{
    bool cf, zf;
    u64 r;
    __asm__ volatile("vmread %3, %2" : VMX_FLAGS(cf, zf), "=r"(r) : "r"(field) : "memory");
    *v = r;
    return VMX_STATUS(cf, zf);
}

static inline MUST_CHECK enum vmx_status vmwrite(u64 field, u64 v)
{
    bool cf, zf;
    __asm__ volatile("vmwrite %2, %3" : VMX_FLAGS(cf, zf) : "r"(v), "r"(field) : "memory");
    return VMX_STATUS(cf, zf);
}

static inline MUST_CHECK enum vmx_status invept(enum invept_type type, u64 eptp)
{
    bool cf, zf;
    struct vmx_descriptor d = {eptp, 0};
    __asm__ volatile("invept %2, %3" : VMX_FLAGS(cf, zf) : "m"(d), "r"((u64)type) : "memory");
    return VMX_STATUS(cf, zf);
}

static inline MUST_CHECK enum vmx_status invvpid(enum invvpid_type type, u16 vpid, u64 gla)
{
    bool cf, zf;
    struct vmx_descriptor d = {vpid, gla};
    __asm__ volatile("invvpid %2, %3" : VMX_FLAGS(cf, zf) : "m"(d), "r"((u64)type) : "memory");
    return VMX_STATUS(cf, zf);
}

/* Panics: the current VMCS refused `field`. Out of line, so that the fast path is one branch. */
KEEPS_REGISTERS void vmcs_region_refused(u64 hpa) __attribute__((noreturn, cold));
KEEPS_REGISTERS void vmcs_read_refused(u64 field) __attribute__((noreturn, cold));
KEEPS_REGISTERS void vmcs_write_refused(u64 field, u64 v) __attribute__((noreturn, cold));

static inline u64 vmcs_read(u64 field)
{
    u64 v;
    __asm__ goto volatile("vmread %1, %0\n jbe %l[refused]" : "=r"(v) : "r"(field) : : refused);
    return v;
refused:
    vmcs_read_refused(field);
}

/* For the short path: fields that every processor has, without the test. */
static inline u64 vmcs_get(u64 field)
{
    u64 v;
    __asm__ volatile("vmread %1, %0" : "=r"(v) : "r"(field) : "cc");
    return v;
}

/* VMCLEAR and VMPTRLD of a region of L0's own. A refusal is a bug. */
static inline void vmclear_ours(const hpa_t *region)
{
    __asm__ goto volatile("vmclear %0\n jbe %l[refused]" : : "m"(*region) : "memory" : refused);
    return;
refused:
    vmcs_region_refused(region->a);
}

static inline void vmptrld_ours(const hpa_t *region)
{
    __asm__ goto volatile("vmptrld %0\n jbe %l[refused]" : : "m"(*region) : "memory" : refused);
    return;
refused:
    vmcs_region_refused(region->a);
}

/* INVVPID of a tag of L0's own. A refusal is a bug. */
static inline void invvpid_ours(u64 type, const struct vmx_descriptor *d)
{
    __asm__ goto volatile("invvpid %0, %1\n jbe %l[no]" : : "m"(*d), "r"(type) : "memory" : no);
    return;
no:
    vmcs_region_refused(d->lo);
}

static inline void vmcs_set(u64 field, u64 v)
{
    __asm__ volatile("vmwrite %0, %1" : : "r"(v), "r"(field) : "cc");
}

static inline void vmcs_put(u64 field, const u64 *v)
{
    __asm__ volatile("vmwrite %0, %1" : : "m"(*v), "r"(field) : "cc");
}

static inline void vmcs_write(u64 field, u64 v)
{
    __asm__ goto volatile("vmwrite %0, %1\n jbe %l[no]" : : "r"(v), "r"(field) : "memory" : no);
    return;
no:
    vmcs_write_refused(field, v);
}

#endif
