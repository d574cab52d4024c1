/* SPDX-License-Identifier: BSD-2-Clause */
/* What the hostile L1 knows of its own VMX: VMX operation, the current VMCS, every VMCS's launch
 * state and fields. */
#include "guest-tests/lib/hostile.h"

enum { REGION_BYTES = 4096 };

struct h_vmcs *h_current(void)
{
    return h.current == H_NONE ? NULL : &h.vmcs[h.current];
}

int h_region(u64 address)
{
    for (int i = 0; i < h.regions; i++) {
        if (h.vmcs[i].at == address)
            return i;
    }
    return H_NONE;
}

static u64 region_at(int i)
{
    if (i == h.regions - 1)
        return h.hole.base;
    return ARENA_AT(i < 3 ? PG_VMCS_A + i : PG_H_VMCS + i - 3);
}

static void fill_lists(void)
{
    for (unsigned page = PG_ENTRY_LOAD; page <= PG_EXIT_LOAD; page++) {
        u64 *list = arena(page);

        for (unsigned i = 0; i < LIST_ENTRIES; i++) {
            list[2 * i] = MSR_KERNEL_GS_BASE;
            list[2 * i + 1] = i;
        }
    }
}

/* Each seed begins with the same memory, outside VMX operation. */
void h_model_reset(void)
{
    h_leave_vmx();
    for (int i = 0; i < h.regions; i++) {
        struct h_vmcs *v = &h.vmcs[i];

        v->at = region_at(i);
        v->revision = H_GOOD;
        v->launch = H_UNKNOWN;
        v->tainted = v->unsure = true;
        v->partly = false;
        gt_zero_pages((void *)v->at, 1);
        *(u32 *)v->at = h.revision;
    }
    gt_zero_pages(arena(PG_VMXON), 1);
    gt_zero_pages(arena(PG_H_EMPTY), 1);
    gt_zero_pages(arena(PG_SCRATCH), 2);
    *(u32 *)arena(PG_VMXON) = h.revision;
    h.current = H_NONE;
    h.vmxon_at = ARENA_AT(PG_VMXON);
    fill_lists();
    l1_state_restore();
}

/* Where a VMX instruction's pointer may point. The local APIC is left out: its registers are no
 * memory for bytes. */
u64 h_pointer(void)
{
    u64 at = h.vmcs[h_below((u64)h.regions)].at;

    switch (h_below(14)) {
    /* clang-format off */
    case 0: return at ^ 1ul << h_below(12);
    case 1: return at | 1ul << (40 + h_below(24));
    case 2: return H_NOWHERE + h_below(4) * 4096;
    case 3: return h_chance(50) ? H_TOP : H_GAP;
    case 4: return ARENA_AT(PG_H_EMPTY);
    /* clang-format on */
    case 5:
    case 6:
        return ARENA_AT(PG_VMXON);
    default:
        return at;
    }
}

void h_operation(bool on)
{
    h.in_vmx = on;
    h.current = H_NONE;
    vmx_is_on(on);
}

void h_leave_vmx(void)
{
    if (h.in_vmx)
        h_check(vmx_vmxoff() == VMX_OK, "vmxoff refused");
    h_operation(false);
}

void h_root(void)
{
    enum vmx_status got;

    if (h.in_vmx)
        return;
    *(u32 *)arena(PG_VMXON) = h.revision;
    got = vmx_vmxon(ARENA_AT(PG_VMXON));
    h_check(got == VMX_OK, "vmxon of a good region: %d", got);
    h_operation(true);
    h.vmxon_at = ARENA_AT(PG_VMXON);
}

/* One of the first regions becomes an ordinary VMCS and current. What was poked or is a shadow
 * is cleared first. */
void h_ordinary(void)
{
    struct h_vmcs *v = h_current();
    int i = (int)h_below((u64)h.regions);

    h_root();
    if (h.vmcs[i].at == h.vmxon_at)
        i = (i + 1) % h.regions;
    if (v == NULL || v->revision != H_GOOD || h_chance(20)) {
        v = &h.vmcs[i];
        if (v->revision != H_GOOD) {
            if (h.current == i)
                h_check(vmx_vmclear(v->at) == VMX_OK, "vmclear of region %d", i);
            *(u32 *)v->at = h.revision;
            v->revision = H_GOOD;
            v->launch = H_UNKNOWN;
            h.current = h.current == i ? H_NONE : h.current;
        }
        h_check(vmx_vmptrld(v->at) == VMX_OK, "vmptrld of region %d", i);
        h.current = i;
    }
    if (v->launch != H_UNKNOWN)
        return;
    h_check(vmx_vmclear(v->at) == VMX_OK, "vmclear of region %d", h.current);
    h_check(vmx_vmptrld(v->at) == VMX_OK, "vmptrld of region %d", h.current);
    v->launch = H_CLEAR;
}

void h_taint(int region)
{
    struct h_vmcs *v = &h.vmcs[region];

    v->tainted = true;
    v->launch = H_UNKNOWN;
    if (v->revision != H_BAD)
        *(u32 *)v->at = h.revision | (v->revision == H_SHADOW ? 1u << 31 : 0);
    else
        *(u32 *)v->at = ~h.revision;
}

void h_taint_all(void)
{
    for (int i = 0; i < h.regions; i++) {
        if (i != h.current)
            h_taint(i);
    }
    *(u32 *)arena(PG_VMXON) = h.revision;
}

/* A field that L1 is not shown, whatever the processor has, stands for another one:
 * CAVEAT(newer-controls), CAVEAT(no-nested-pml). */
bool h_unseen_field(int i)
{
    return i == VI_PML_INDEX || i == VI_PML_ADDR || i == VI_XSS_EXIT_BITMAP ||
           i == VI_SPP_TABLE_PTR || i == VI_TSC_MULTIPLIER;
}

int h_any_field(void)
{
    int i = (int)h_below(VMX_FIELDS);

    return h_unseen_field(i) ? VI_TSC_OFFSET : i;
}

u64 h_field_mask(int i)
{
    static const u64 by_width[] = {0xffff, ~0ul, 0xffffffff, ~0ul};

    /* CAVEAT(vmwrite-ar-reserved) */
    if (i >= VI_GUEST_ES_AR && i <= VI_GUEST_TR_AR)
        return 0x1f0ff;
    return by_width[vmx_field[i].enc >> 13];
}

/* The current pointer by VMPTRST, and a few fields of a VMCS whose contents are known. */
void h_model_check(void)
{
    const struct h_vmcs *v = h_current();
    u64 at = 0;

    if (!h.in_vmx)
        return;
    vmx_vmptrst(&at);
    h_check(at == (v ? v->at : ~0ul), "vmptrst: %lx, region %d is current", at, h.current);
    if (v == NULL || v->tainted || v->partly)
        return;
    for (unsigned k = 0; k < 3; k++) {
        int i = (int)h_below(VMX_FIELDS);
        u64 now = 0x5a5a;

        if (!l2_present[i])
            continue;
        h_check(vmx_vmread(vmx_field[i].enc, &now) == VMX_OK, "vmread %s refused",
                vmx_field[i].name);
        h_check(now == v->f[i], "%s: %lx, written or saved was %lx", vmx_field[i].name, now,
                v->f[i]);
    }
}

struct h_expect h_ok(void)
{
    return (struct h_expect){true, L1_DONE, 0, VMX_OK, 0};
}

struct h_expect h_fault(u64 vector, u64 error)
{
    return (struct h_expect){true, vector, error, VMX_OK, 0};
}

struct h_expect h_invalid(void)
{
    return (struct h_expect){true, L1_DONE, 0, VMX_FAIL_INVALID, 0};
}

/* SDM 3C 31.2 "Conventions": without a current VMCS there is no place for the number. */
struct h_expect h_fails(u64 number)
{
    if (h.current == H_NONE)
        return h_invalid();
    return (struct h_expect){true, L1_DONE, 0, VMX_FAIL_VALID, number};
}
