/* The launch: memory, FEATURE_CONTROL, the switch. FEATURE_CONTROL cannot be unwritten, so it comes
 * last before the core. */
#include <efi.h>
#include <efilib.h>

#include "boot/efi_launch.h"
#include "boot/efi_memory.h"

u64 handoff(struct handoff *h);

static const char *refusal(u64 status)
{
    switch (status) {
    case HANDOFF_NO_MEMORY:
        return "not enough memory in the reserved region";
    case HANDOFF_NO_VMX:
        return "the core misses a VMX capability";
    default:
        return "VMXON failed";
    }
}

bool nidus_launch(struct boot_info *info, const struct facts *f, struct line *why)
{
    struct region region;
    line_clear(why);
    const char *words = memory_prepare(&region, info);
    if (words) {
        line_add(why, words);
        return false;
    }
    *info = region.handoff->info; /* not afterwards: L1 sees no byte of the region */
    facts_allow_vmx(f);
    u64 status = handoff(region.handoff);
    if (status == HANDOFF_OK)
        return true;
    memory_release(&region);
    line_add(why, refusal(status));
    return false;
}
