/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes VMREAD and VMWRITE: a page, then operations of ten bytes each, against capabilities of
 * the input's choice. Every outcome is one the SDM has; an error changes nothing; what was
 * written is read back; the page that a VMCLEAR would write has its 1,024 bytes.
 */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "hv/saved/layout.h"
#include "hv/vmcs12/profile.h"

/* A profile, or capability words that are the input's own bytes. */
static struct vmx_caps choose_caps(u8 choice, const u8 *data, size_t size)
{
    struct vmx_caps caps;
    if (choice % 4 < PROFILE_HOST)
        return *profile_caps((enum vmx_profile)(choice % 4));
    memset(&caps, choice, sizeof caps);
    memcpy(&caps, data, size < sizeof caps ? size : sizeof caps);
    return caps;
}

static u64 mask_of(u64 encoding)
{
    static const u64 masks[] = {
        [W16] = 0xffff, [W32] = 0xffffffff, [W64] = ~0ull, [WNW] = ~0ull, [WAR] = 0x1f0ff};
    return (encoding & 1) != 0 ? 0xffffffff : masks[vmcs12_desc(vmcs12_find(encoding))->width];
}

static void operate(struct vmcs_image *v, const struct vmx_caps *caps, u64 encoding, u64 value)
{
    static struct vmcs_image before;
    u64 got = 0x5a5a5a5a5a5a5a5a, untouched = got;
    before = *v;
    u32 err = vmcs12_write(v, caps, encoding, value);
    demand(err == 0 || err == ERR_UNSUPPORTED_FIELD || err == ERR_VMWRITE_READ_ONLY);
    if (err != 0)
        demand(memcmp(&before, v, sizeof before) == 0);
    u32 read_err = vmcs12_read(v, caps, encoding, &got);
    demand((read_err == ERR_UNSUPPORTED_FIELD) == (err == ERR_UNSUPPORTED_FIELD) &&
           (read_err == 0 || got == untouched));
    if (err == 0)
        demand(got == (value & mask_of(encoding)));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static struct vmcs_image v;
    u8 page[4096] = {0}, out[4096];
    if (size < 2)
        return 0;
    struct vmx_caps caps = choose_caps(data[0], data + 1, size - 1);
    memcpy(page, data, size < sizeof page ? size : sizeof page);
    vmcs12_load_page(&v, page);
    for (size_t at = 1; at + 10 <= size; at += 10) {
        u64 value;
        u16 encoding;
        memcpy(&encoding, data + at, 2);
        memcpy(&value, data + at + 2, 8);
        operate(&v, &caps, (data[at + 9] & 0xc0) == 0xc0 ? value ^ encoding : encoding, value);
    }
    memset(out, 0x77, sizeof out);
    vmcs12_store_page(&v, out);
    demand(out[VMCS12_SIZE] == 0x77);
    (void)layout_misfit(&v, &caps);
    return 0;
}
