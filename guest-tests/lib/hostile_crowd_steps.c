/* SPDX-License-Identifier: BSD-2-Clause */
/* Steps of the hostile L1 with many VMCSs that enter none: VMCSs cleared, copied and shadowed, and
 * the pages that they name. */
#include "guest-tests/lib/hostile_crowd.h"

/* A cleared VMCS is bytes that may go elsewhere. */
static void copy(int from, int to)
{
    u64 at = h.vmcs[to].at;

    crowd_clear(from);
    crowd_clear(to);
    h_copy_page((void *)at, (void *)h.vmcs[from].at);
    h.vmcs[to] = h.vmcs[from];
    h.vmcs[to].at = at;
    crowd[to] = crowd[from];
    crowd_lay_code();
}

void h_crowd_pointer(void)
{
    int k = crowd_any(), other = crowd_any();

    h_root();
    h_note(" region %d, %d", k, other);
    switch (h_below(8)) {
    case 0:
        h_leave_vmx();
        h_root();
        break;
    case 1:
        if (k != other && crowd[k].made && h.vmcs[k].revision == H_GOOD)
            copy(k, other);
        break;
    case 2:
        crowd_clear(k);
        crowd_clear(k);
        break;
    case 3:
        crowd_clear(k);
        crowd_load(k);
        break;
    case 4:
        h_step_pointer();
        break;
    default:
        crowd_clear(k);
        break;
    }
    h_model_check();
}

/* Pages that the VMCSs name. */
void h_crowd_memory(void)
{
    static const u32 msrs[] = {MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_PAT};
    u8 *msr_bitmap = arena(PG_MSR_BITMAP);
    u32 msr = msrs[h_below(4)];

    switch (h_below(5)) {
    case 0:
        msr_bitmap[(h_chance(50) ? 0 : 2048) + msr / 8] ^= (u8)(1u << msr % 8);
        break;
    case 1: /* STAR and its neighbours */
        msr_bitmap[(h_chance(50) ? 1024 : 3072) + 0x80 / 8] ^= (u8)(1u << h_below(5));
        break;
    case 2:
        ((u8 *)arena(PG_IO_A))[0x80 / 8] ^= 1;
        break;
    case 3:
        h_lists();
        break;
    default:
        h_root();
        if (h_chance(50))
            h_ept_bend();
        else
            ept_split();
        h_see("invept", (u64)ept_invept(INVEPT_ALL, 0));
        break;
    }
}

/* L1 fills its shadow VMCS, looks into it, gives it up. Members name it in their link pointer. */
void h_crowd_shadow(void)
{
    struct h_vmcs *v = &h.vmcs[CROWD_SHADOW];

    h_root();
    if (v->at == h.vmxon_at)
        return;
    if (!crowd_shadow_filled || v->revision != H_SHADOW) {
        crowd_clear(CROWD_SHADOW);
        *(u32 *)v->at = h.revision | 1u << 31;
        v->revision = H_SHADOW;
    }
    h_check(vmx_vmptrld(v->at) == VMX_OK, "vmptrld of the shadow");
    h.current = CROWD_SHADOW;
    for (int i = 0; i < VMX_FIELDS; i++) {
        if (!l2_present[i] || h_unseen_field(i) || (crowd_shadow_filled && h_chance(95)))
            continue;
        if (crowd_shadow_filled) {
            h_see(vmx_field[i].name, vmx_get(vmx_field[i].enc));
            if (h_chance(50))
                continue;
        }
        v->f[i] = i >= VI_GUEST_ES_AR && i <= VI_GUEST_TR_AR ? 0x93 : h_below(256);
        vmx_vmwrite(vmx_field[i].enc, v->f[i]);
    }
    crowd_shadow_filled = true;
    v->tainted = v->unsure = false;
    if (h_chance(50))
        crowd_clear(CROWD_SHADOW);
}
