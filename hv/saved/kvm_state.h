/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The nested state of one processor in the form that KVM_GET_NESTED_STATE gives and
 * KVM_SET_NESTED_STATE takes, with a tail of our own behind this form. The functions turn bytes
 * into values and back; they are pure.
 *
 *   0    flags u16, format u16 (0 = VMX), size u32 (of header and pages)
 *   8    vmxon_pa u64, vmcs12_pa u64, SMM flags u16, pad u16, VMX flags u32, deadline u64
 *   128  vmcs12 and then the shadow vmcs12, 4,096 bytes each in KVM's layout, if size has room
 *   size magic "NIDT" u32, version u16, zero u16, length u32, then `length` bytes: the tail
 */
#ifndef HV_SAVED_KVM_STATE_H
#define HV_SAVED_KVM_STATE_H

#include "hv/saved/layout.h"

#define KVM_STATE_HEADER 128u
#define KVM_STATE_PAGE   4096u
#define KVM_TAIL_MAGIC   0x5444494eu /* "NIDT" */
#define KVM_TAIL_HEADER  12u
#define KVM_TAIL_VERSION 1u
#define KVM_NO_ADDRESS   (~0ull)

/* clang-format off */
enum kvm_state_flags {
    KVM_GUEST_MODE = 1, KVM_RUN_PENDING = 2, KVM_EVMCS = 4, KVM_MTF_PENDING = 8,
};
/* clang-format on */
enum kvm_smm_flags { KVM_SMM_GUEST_MODE = 1, KVM_SMM_VMXON = 2 };
enum kvm_vmx_flags { KVM_DEADLINE_VALID = 1 };

struct kvm_state {
    u16 flags;     /* enum kvm_state_flags */
    u16 smm_flags; /* enum kvm_smm_flags */
    u32 vmx_flags; /* enum kvm_vmx_flags */
    u64 vmxon_pa;  /* gpa1, or KVM_NO_ADDRESS outside VMX operation */
    u64 vmcs12_pa; /* gpa1 of the current VMCS, or KVM_NO_ADDRESS */
    u64 preemption_timer_deadline;
    bool has_vmcs12, has_shadow12;
    u16 tail_version;
    u32 tail_length; /* 0: no tail */
    const u8 *tail;  /* parse: into the blob; produce: the caller's bytes */
    struct vmcs_image vmcs12, shadow12;
};

/* Reads a blob of `length` bytes into *s. Returns NULL, or what is wrong with the blob: KVM would
 * refuse it, it is cut short, or it has an enlightened VMCS, for which we have no place. When the
 * result is not NULL, the caller must not use *s. s->tail points into the blob. */
const char *kvm_state_parse(const u8 *blob, size_t length, struct kvm_state *s) MUST_CHECK;

/* The number of bytes that kvm_state_produce will write. */
size_t kvm_state_length(const struct kvm_state *s);

/* Writes the blob. @pre `blob` has room for kvm_state_length(s) bytes. Returns F_COUNT, or the
 * first field in use for which KVM's layout has no place. In this case the caller must not use the
 * blob. */
enum vmcs_field kvm_state_produce(const struct kvm_state *s, u8 *blob) MUST_CHECK;

#endif
