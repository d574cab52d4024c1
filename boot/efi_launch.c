/* The launch: FEATURE_CONTROL, then the switch to the core. A write of FEATURE_CONTROL cannot be
 * undone, so it is the last step before the switch. Contract in efi_launch.h. */
#include "boot/efi_launch.h"

/* In handoff.asm. Returns an enum handoff_status. */
u64 handoff(struct handoff *h);

static const char *refusal(const struct handoff *h, u64 status)
{
    static char why[HANDOFF_WHY_MAX]; /* a copy, because the caller frees the region */
    switch (status) {
    case HANDOFF_NO_MEMORY:
        return "not enough memory in the reserved region";
    case HANDOFF_NO_VMX:
        return "the core misses a VMX capability";
    case HANDOFF_REFUSED:
        for (u32 i = 0; i < sizeof why - 1; i++)
            why[i] = h->why[i];
        return why;
    default:
        return "VMXON failed";
    }
}

const char *nidus_launch(struct region *r, const struct facts *f)
{
    facts_allow_vmx(f);
    u64 status = handoff(r->handoff);
    if (status == HANDOFF_OK)
        return NULL;
    const char *why = refusal(r->handoff, status);
    memory_release(r);
    return why;
}
