/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole VMCS images for the tests. Contract in image.h. */
#include "tests/lib/image.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

const struct vmx_caps caps_emulator = {
    .basic = 0x00d810000000002b,
    .pin = 0x7f00000016,
    .cpu1 = 0xf7f9fffe0401e172,
    .exit = 0x7fffff00036dff,
    .entry = 0xffff000011ff,
    .misc = 0x200401e0,
    .cr0_fixed0 = 0x80000021,
    .cr0_fixed1 = 0xffffffff,
    .cr4_fixed0 = 0x2000,
    .cr4_fixed1 = 0x3727ff,
    .vmcs_enum = 0x34,
    .cpu2 = 0x57fff00000000,
    .ept_vpid = 0xf0106334141,
    .true_pin = 0x7f00000016,
    .true_cpu1 = 0xf7f9fffe04006172,
    .true_exit = 0x7fffff00036dfb,
    .true_entry = 0xffff000011fb,
    .vmfunc = 1,
};

const struct vmx_caps caps_all = {
    .basic = 0x00da040000000012 | BIT(55),
    .misc = 0x7004c1e7 | 4ull << 16,
    .true_pin = ~0ull << 32,
    .true_cpu1 = ~0ull << 32,
    .cpu2 = ~0ull << 32,
    .true_exit = ~0ull << 32,
    .true_entry = ~0ull << 32,
    .pin = ~0ull << 32,
    .cpu1 = ~0ull << 32,
    .exit = ~0ull << 32,
    .entry = ~0ull << 32,
    .ept_vpid = ~0ull,
    .cr0_fixed1 = ~0ull,
    .cr4_fixed1 = ~0ull,
};

void image_random(struct rng *r, struct vmcs_image *v)
{
    for (u32 i = 0; i < sizeof *v; i++)
        v->bytes[i] = (u8)rng_next(r);
    for (u32 f = 0; f < F_COUNT; f++)
        vmcs12_set(v, (enum vmcs_field)f, rng_edgy(r));
}

void image_fill(struct vmcs_image *v, u8 byte)
{
    memset(v, byte, sizeof *v);
}

void assert_same_field(const struct vmcs_image *a, const struct vmcs_image *b, enum vmcs_field f)
{
    u64 x = vmcs12_get(a, f), y = vmcs12_get(b, f);

    if (x != y)
        fail_msg("%s: 0x%llx and 0x%llx differ", vmcs12_name(f), (unsigned long long)x,
                 (unsigned long long)y);
}

void image_edit(struct vmcs_image *v, const u8 *data, size_t size)
{
    for (; size >= 10; data += 10, size -= 10) {
        u16 number;
        u64 value;
        memcpy(&number, data, 2);
        memcpy(&value, data + 2, 8);
        enum vmcs_field f = (enum vmcs_field)(number % F_COUNT);
        vmcs12_set(v, f, vmcs12_get(v, f) ^ value);
    }
}
