/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes routing and the way back: any vmcs12, any exit. L1 gets only what the exit's reason
 * allows it to ask for, an answer always exists, and after a reflected exit or a failed entry
 * both images keep what is not the exit's to change.
 */
#include "tests/fuzz/fuzz.h"
#include "hv/arch/event.h"
#include "hv/vmcs12/route.h"
#include "hv/vmcs12/sync.h"
#include <string.h>

static struct vmcs_image v12, v02, v01, was;
static struct vmx_caps caps;
static struct vmexit x;

static void take(void *to, size_t n, const u8 **data, size_t *size)
{
    size_t have = n < *size ? n : *size;
    memset(to, 0, n);
    memcpy(to, *data, have);
    *data += have;
    *size -= have;
}

/* With no control of vmcs12 set, nothing but the unconditional exits is L1's. */
static void route(const struct route_env *e)
{
    enum route r = route_exit(e);

    demand(r <= ROUTE_UNEXPECTED);
    demand(EXIT_REASON_BASIC(x.reason) < EXIT_REASON_COUNT || r == ROUTE_UNEXPECTED ||
           r == ROUTE_L0_FIRST);
    if (route_needs_bitmap(e)) {
        struct route_env other = *e;
        other.bitmap_hit = !e->bitmap_hit;
        demand(route_exit(&other) == (r == ROUTE_L1 ? ROUTE_L0 : ROUTE_L1) || r == ROUTE_L0_FIRST);
    }
}

static void come_back(void)
{
    struct sync_env s = {&v02, &x, &caps};
    struct host_env h = {
        .v12 = &v12, .left = &v02, .reason = x.reason, .intr_info = x.intr_info, .maxphyaddr = 40};

    was = v12;
    (void)sync_exit12(&s, &v12);
    for (u32 f = 0; f < F_COUNT; f++)
        if (vmcs12_desc((enum vmcs_field)f)->to12 == TO12_KEEP)
            demand(vmcs12_get(&v12, (enum vmcs_field)f) == vmcs12_get(&was, (enum vmcs_field)f));
    demand(!any(v12.entry_intr_info, INTR_VALID));

    was = v01;
    if (sync_host12(&h, &v01) != ABORT_NONE) {
        demand(!memcmp(&was, &v01, sizeof v01));
        return;
    }
    demand(v01.guest_rip == v12.host_rip && v01.guest_rflags == 2 &&
           v01.vmcs_link_pointer == was.vmcs_link_pointer);
}

static void events(void)
{
    struct event first = event_interrupted(&x, x.qual),
                 second = event_exception((u8)x.insn_info, x.intr_error, x.qual);
    bool triple;
    struct event both = event_combine(&first, &second, x.qual, &triple);

    demand(triple == !any(both.info, INTR_VALID));
    demand(!any(first.info, 0x7ffff000));
    event_iret_undone(&x, v12.pin_ctl);
    event_overtaken(&both, &x);
    demand(triple || x.idt_info == both.info);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct route_env e = {.v12 = &v12, .x = &x};

    take(&x, sizeof x, &data, &size);
    take(&e.operand, sizeof e.operand, &data, &size);
    e.bitmap_hit = size & 1;
    take(&caps, sizeof caps, &data, &size);
    take(&v12, VMCS12_SIZE, &data, &size);
    take(&v02, VMCS12_SIZE, &data, &size);
    take(&v01, VMCS12_SIZE, &data, &size);
    x.reason &= x.reason & 0x100 ? ~0u : 0x800000ffu; /* mostly reasons that exist */
    route(&e);
    events();
    come_back();
    return 0;
}
