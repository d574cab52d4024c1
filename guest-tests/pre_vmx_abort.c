/*
 * A VMX abort: the VM-exit MSR-load list holds an entry that the SDM refuses. By the SDM ("VMX Aborts") the
 * abort indicator is stored and the processor goes to shutdown: nothing may come behind the last line, not even END.
 * Option list=store makes it the MSR-store list. A boot of its own.
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_l2.h"

TEST_MAIN(vmx_abort)
{
    bool store = vmx_option("store", 0);
    u64 *list = arena(store ? PG_EXIT_STORE : PG_EXIT_LOAD);

    vmx_begin();
    if (vmx_on()) {
        l2_init();
        l2_world(L2_64);
        l2_code("", 0);
        list[0] = MSR_FS_BASE | 1ul << 32; /* reserved bits: refused in either list */
        l2.f[store ? VI_EXIT_MSR_STORE_COUNT : VI_EXIT_MSR_LOAD_COUNT] = 1;
        l2_write();
        gt_line("entering: %s list", store ? "store" : "load");
        l2_enter(false);
        gt_line("came back: reason %lu abort indicator %x", l2_seen[VI_EXIT_REASON], ((u32 *)arena(PG_VMCS_A))[1]);
    }
    vmx_end();
}
