/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes KVM's nested-state blob: any bytes are accepted or refused with a sentence. What is
 * accepted is produced again, read again, and is the same state; a page of it crosses every
 * layout that can hold it. The mutator keeps inputs near the format: most bytes of a random
 * blob would only ever be refused.
 */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "hv/saved/kvm_state.h"

/* The pages grow out of few bytes, so that small inputs reach large states: byte 40 of the input
 * says how many pages, what follows is laid into them from their first field on. */
static size_t expand(const u8 *data, size_t size, u8 *blob)
{
    static const u32 revision[] = {REVISION_KVM, REVISION_KVM | VMCS_SHADOW_INDICATOR};
    u32 pages = data[40] % 3, total = KVM_STATE_HEADER + pages * KVM_STATE_PAGE;
    memcpy(blob, data, 40);
    memset(blob + 2, 0, 2);
    memcpy(blob + 4, &total, 4);
    size -= 41;
    data += 41;
    for (u32 p = 0; p < pages; p++) {
        u8 *page = blob + KVM_STATE_HEADER + p * KVM_STATE_PAGE;
        size_t n =
            size / (pages + 1) < KVM_STATE_PAGE - 8 ? size / (pages + 1) : KVM_STATE_PAGE - 8;
        memcpy(page, &revision[p], 4);
        memcpy(page + 8, data, n);
        data += n;
        size -= n;
    }
    size_t tail = size < 64 ? size : 64;
    memcpy(blob + total, data, tail);
    return total + tail;
}

static void cross_layouts(const struct vmcs_image *v)
{
    static struct vmcs_image back;
    u8 page[4096];
    for (enum vmcs_layout l = 0; l < LAYOUT_COUNT; l++) {
        if (layout_encode(l, v, page) != F_COUNT)
            continue;
        layout_decode(l, page, &back);
        demand(memcmp(&back, v, sizeof back) == 0);
    }
}

static void judge(const u8 *blob, size_t length)
{
    static struct kvm_state s, again;
    static u8 copy[KVM_STATE_HEADER + 2 * KVM_STATE_PAGE + 8192];
    const char *why = kvm_state_parse(blob, length, &s);
    if (why != NULL) {
        demand(why[0] != '\0');
        return;
    }
    if (kvm_state_length(&s) > sizeof copy)
        return;
    demand(kvm_state_produce(&s, copy) == F_COUNT);
    demand(kvm_state_parse(copy, kvm_state_length(&s), &again) == NULL);
    demand(s.tail_length == 0 || memcmp(s.tail, again.tail, s.tail_length) == 0);
    again.tail = s.tail;
    again.tail_version = s.tail_version; /* an empty tail is not written */
    demand(memcmp(&s, &again, sizeof s) == 0);
    if (s.has_vmcs12)
        cross_layouts(&s.vmcs12);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static u8 blob[KVM_STATE_HEADER + 2 * KVM_STATE_PAGE + 64];
    judge(data, size);
    if (size >= 41) {
        memset(blob, 0, sizeof blob);
        judge(blob, expand(data, size, blob));
    }
    return 0;
}
