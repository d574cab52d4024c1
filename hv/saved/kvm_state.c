/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * KVM's nested-state blob. The code checks every length before it reads the bytes. The rules are
 * those that KVM applies when a state is set. layout.c has the layouts. Contract in kvm_state.h.
 */
#include "hv/saved/kvm_state.h"

/* clang-format off */
enum {
    AT_FLAGS = 0, AT_FORMAT = 2, AT_SIZE = 4, AT_VMXON = 8, AT_VMCS12 = 16, AT_SMM_FLAGS = 24,
    AT_VMX_FLAGS = 28, AT_DEADLINE = 32,
    TAIL_MAGIC = 0, TAIL_VERSION = 4, TAIL_ZERO = 6, TAIL_LENGTH = 8,
};
/* clang-format on */

/* Blobs are little-endian, as is the machine that runs this. */
static u64 get(const u8 *p, unsigned bytes)
{
    u64 v = 0;
    __builtin_memcpy(&v, p, bytes);
    return v;
}

static void put(u8 *p, u64 v, unsigned bytes)
{
    __builtin_memcpy(p, &v, bytes);
}

/* The code that reads a blob knows no machine, so it takes the largest MAXPHYADDR, which is 52. */
static bool page_address(u64 pa)
{
    return is_aligned(pa, PAGE_SIZE) && fits_phys(pa, 52);
}

/* Returns why KVM_SET_NESTED_STATE would answer EINVAL, or NULL. The tests go through the header in
 * the order in which a person would read it. SMM suspends VMX operation, so guest mode is either
 * inside or outside SMM. */
static const char *header_wrong(const struct kvm_state *s, bool has_vmcs12)
{
    if (any(s->flags, KVM_EVMCS))
        return "an enlightened VMCS is in use";
    if (any(s->flags, 0xffffu & ~(u32)(KVM_GUEST_MODE | KVM_RUN_PENDING | KVM_MTF_PENDING)))
        return "unknown flags";
    if (any(s->smm_flags, 0xffffu & ~(u32)(KVM_SMM_GUEST_MODE | KVM_SMM_VMXON)))
        return "unknown SMM flags";
    if (any(s->vmx_flags, ~(u32)KVM_DEADLINE_VALID))
        return "unknown VMX flags";
    if (s->smm_flags == KVM_SMM_GUEST_MODE)
        return "guest mode in SMM without VMX operation";
    if (s->smm_flags != 0 && any(s->flags, KVM_GUEST_MODE | KVM_RUN_PENDING))
        return "guest mode both inside and outside SMM";
    if (s->vmxon_pa == KVM_NO_ADDRESS)
        return s->vmcs12_pa != KVM_NO_ADDRESS || s->flags != 0
                   ? "a VMCS or flags outside VMX operation"
                   : NULL;
    if (!page_address(s->vmxon_pa))
        return "the VMXON address is no page address";
    if (!has_vmcs12)
        return s->vmcs12_pa != KVM_NO_ADDRESS || any(s->flags, KVM_GUEST_MODE)
                   ? "the vmcs12 page is missing"
                   : NULL;
    if (s->vmcs12_pa != KVM_NO_ADDRESS &&
        (!page_address(s->vmcs12_pa) || s->vmcs12_pa == s->vmxon_pa))
        return "the vmcs12 address is no page address of its own";
    return NULL;
}

/* KVM ignores the bytes behind its `size`. We refuse them unless they are our tail, because bytes
 * that nothing accounts for mean a damaged file. */
static const char *parse_tail(const u8 *tail, size_t length, struct kvm_state *s)
{
    if (length == 0)
        return NULL;
    if (length < KVM_TAIL_HEADER)
        return "bytes behind the state, too few for a tail";
    if (get(tail + TAIL_MAGIC, 4) != KVM_TAIL_MAGIC)
        return "bytes behind the state that are no tail of ours";
    if (get(tail + TAIL_VERSION, 2) != KVM_TAIL_VERSION || get(tail + TAIL_ZERO, 2) != 0)
        return "a tail of an unknown version";
    if (get(tail + TAIL_LENGTH, 4) != length - KVM_TAIL_HEADER)
        return "a tail whose length is not that of its bytes";
    s->tail_version = KVM_TAIL_VERSION;
    s->tail_length = (u32)(length - KVM_TAIL_HEADER);
    s->tail = tail + KVM_TAIL_HEADER;
    return NULL;
}

/* True when L2 runs with VMCS shadowing: the blob must then have the shadow page. */
static bool wants_shadow(const struct kvm_state *s)
{
    return any(s->flags, KVM_GUEST_MODE) && any(s->vmcs12.cpu1_ctl, CPU1_SECONDARY) &&
           any(s->vmcs12.cpu2_ctl, CPU2_VMCS_SHADOWING) &&
           s->vmcs12.vmcs_link_pointer != KVM_NO_ADDRESS;
}

static const char *parse_pages(const u8 *blob, struct kvm_state *s)
{
    if (!s->has_vmcs12)
        return NULL;
    const u8 *page = blob + KVM_STATE_HEADER;
    /* a shadow VMCS may be current */
    if ((get(page, 4) & ~(u64)VMCS_SHADOW_INDICATOR) != REVISION_KVM)
        return "the vmcs12 has another revision than KVM's";
    layout_decode(LAYOUT_KVM, page, &s->vmcs12);
    if (!s->has_shadow12)
        return wants_shadow(s) ? "the shadow vmcs12 page is missing" : NULL;
    page += KVM_STATE_PAGE;
    if (get(page, 4) != (REVISION_KVM | VMCS_SHADOW_INDICATOR))
        return "the shadow vmcs12 is no shadow VMCS of KVM's revision";
    layout_decode(LAYOUT_KVM, page, &s->shadow12);
    return NULL;
}

/* The size field decides which pages the blob has. A longer blob has a tail. */
const char *kvm_state_parse(const u8 *blob, size_t length, struct kvm_state *s)
{
    __builtin_memset(s, 0, sizeof *s);
    if (length < KVM_STATE_HEADER)
        return "cut short in the header";
    if (get(blob + AT_FORMAT, 2) != 0)
        return "the format is not VMX";
    u64 size = get(blob + AT_SIZE, 4);
    if (size < KVM_STATE_HEADER || (size - KVM_STATE_HEADER) % KVM_STATE_PAGE != 0 ||
        size > KVM_STATE_HEADER + 2 * KVM_STATE_PAGE)
        return "the size is not that of a header and up to two pages";
    if (size > length)
        return "cut short in a page";
    s->flags = (u16)get(blob + AT_FLAGS, 2);
    s->smm_flags = (u16)get(blob + AT_SMM_FLAGS, 2);
    s->vmx_flags = (u32)get(blob + AT_VMX_FLAGS, 4);
    s->vmxon_pa = get(blob + AT_VMXON, 8);
    s->vmcs12_pa = get(blob + AT_VMCS12, 8);
    s->preemption_timer_deadline = get(blob + AT_DEADLINE, 8);
    s->has_vmcs12 = size > KVM_STATE_HEADER;
    s->has_shadow12 = size > KVM_STATE_HEADER + KVM_STATE_PAGE;
    const char *wrong = header_wrong(s, s->has_vmcs12);
    if (wrong == NULL)
        wrong = parse_pages(blob, s);
    if (wrong == NULL)
        wrong = parse_tail(blob + size, length - size, s);
    return wrong;
}

static u32 size_of(const struct kvm_state *s)
{
    u32 pages = s->has_vmcs12 ? 1u + s->has_shadow12 : 0u;
    return KVM_STATE_HEADER + pages * KVM_STATE_PAGE;
}

size_t kvm_state_length(const struct kvm_state *s)
{
    return size_of(s) + (s->tail_length != 0 ? KVM_TAIL_HEADER + (size_t)s->tail_length : 0);
}

static void produce_tail(const struct kvm_state *s, u8 *tail)
{
    if (s->tail_length == 0)
        return;
    put(tail + TAIL_MAGIC, KVM_TAIL_MAGIC, 4);
    put(tail + TAIL_VERSION, s->tail_version, 2);
    put(tail + TAIL_ZERO, 0, 2);
    put(tail + TAIL_LENGTH, s->tail_length, 4);
    __builtin_memcpy(tail + KVM_TAIL_HEADER, s->tail, s->tail_length);
}

/* Writes every byte of header and pages, so no memory of ours leaks into a file. */
enum vmcs_field kvm_state_produce(const struct kvm_state *s, u8 *blob)
{
    __builtin_memset(blob, 0, KVM_STATE_HEADER);
    put(blob + AT_FLAGS, s->flags, 2);
    put(blob + AT_SIZE, size_of(s), 4);
    put(blob + AT_VMXON, s->vmxon_pa, 8);
    put(blob + AT_VMCS12, s->vmcs12_pa, 8);
    put(blob + AT_SMM_FLAGS, s->smm_flags, 2);
    put(blob + AT_VMX_FLAGS, s->vmx_flags, 4);
    put(blob + AT_DEADLINE, s->preemption_timer_deadline, 8);
    enum vmcs_field refused = F_COUNT;
    if (s->has_vmcs12)
        refused = layout_encode(LAYOUT_KVM, &s->vmcs12, blob + KVM_STATE_HEADER);
    if (s->has_vmcs12 && s->has_shadow12 && refused == F_COUNT)
        refused = layout_encode(LAYOUT_KVM, &s->shadow12, blob + KVM_STATE_HEADER + KVM_STATE_PAGE);
    produce_tail(s, blob + size_of(s));
    return refused;
}
