/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMREAD and VMWRITE as functions: every one of the 65,536 encodings under several sets of
 * capabilities, and the rules of widths, halves, read-only fields and access rights.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hv/vmcs12/profile.h"
#include "hv/vmcs12/vmcs12.h"
#include "tests/lib/csv.h"

/* Independent of fields.def: parts of an encoding as SDM 3D B "Field Encoding in VMCS" has them. */
static unsigned enc_width(u32 e)
{
    return e >> 13 & 3;
}
static unsigned enc_area(u32 e)
{
    return e >> 10 & 3;
}

static struct vmx_caps caps_none(void)
{
    return (struct vmx_caps){.basic = 0};
}

static struct vmx_caps caps_all(void)
{
    struct vmx_caps c;
    memset(&c, 0xff, sizeof c);
    return c;
}

static void pattern(struct vmcs_image *v)
{
    for (unsigned i = 0; i < sizeof v->bytes; i++)
        v->bytes[i] = (u8)(i * 37 + 11);
}

/* "Writing one field changes no other": at most the field's own bytes differ. */
static void changed_range(const struct vmcs_image *a, const struct vmcs_image *b, unsigned *lo,
                          unsigned *hi)
{
    *lo = sizeof a->bytes;
    *hi = 0;
    for (unsigned i = 0; i < sizeof a->bytes; i++) {
        if (a->bytes[i] == b->bytes[i])
            continue;
        if (i < *lo)
            *lo = i;
        *hi = i + 1;
    }
}

/* Encodings in order: the first one sets the images up. */
static void sweep_one(const struct vmx_caps *caps, u32 enc, unsigned *known)
{
    static struct vmcs_image before, after;
    u64 value = 0xdead;
    if (enc == 0) {
        pattern(&before);
        after = before;
    }
    u32 err = vmcs12_read(&before, caps, enc, &value);
    u32 werr = vmcs12_write(&after, caps, enc, ~0ull);
    if (err != 0) {
        assert_int_equal(err, 12);
        assert_int_equal(werr, 12);
        assert_int_equal(value, 0xdead);
        assert_memory_equal(&before, &after, sizeof before);
        return;
    }
    (*known)++;
    assert_int_equal(enc & 0x9000, 0);
    if ((enc & 1) != 0)
        assert_int_equal(enc_width(enc), 1);
    if (enc_width(enc) == 0)
        assert_true(value <= 0xffff);
    if (enc_width(enc) == 2 || (enc & 1) != 0)
        assert_true(value <= 0xffffffff);
    if (enc_area(enc) == 1 && !(caps->misc & (1u << 29))) {
        assert_int_equal(werr, 13);
        assert_memory_equal(&before, &after, sizeof before);
        return;
    }
    assert_int_equal(werr, 0);
    unsigned lo, hi;
    changed_range(&before, &after, &lo, &hi);
    assert_true(lo >= 0x16 && hi > lo &&
                hi - lo <= ((enc & 1) != 0 || enc_width(enc) == 2 ? 4 : 8));
    after = before;
}

static unsigned sweep(const struct vmx_caps *caps)
{
    unsigned known = 0;
    for (u32 enc = 0; enc < 0x10000; enc++)
        sweep_one(caps, enc, &known);
    return known;
}

static void all_encodings(void **state)
{
    (void)state;
    struct vmx_caps none = caps_none(), all = caps_all(), ro = all;
    ro.misc = 0;
    unsigned n_none = sweep(&none), n_all = sweep(&all);
    assert_true(n_none > 100 && n_none < n_all);
    assert_int_equal(sweep(&ro), n_all);
}

/* ---- every encoding x every profile: which exist is told by the facts, not by fields.def ---- */
static bool on_broadwell[0x10000];

static void note_row(const struct csv_row *r, void *ctx)
{
    (void)ctx;
    u32 enc = (u32)strtoul(r->cell[0], NULL, 16);
    on_broadwell[enc] = r->cell[3][0] != '\0';
    on_broadwell[enc | 1] = on_broadwell[enc] && enc_width(enc) == 1;
}

/* The i7 has no posted interrupts, virtual-interrupt delivery or page-modification logging. */
static bool xeon_only(u32 enc)
{
    static const u16 fields[] = {0x0002, 0x0810, 0x0812, 0x200e, 0x2016,
                                 0x201c, 0x201e, 0x2020, 0x2022};
    for (unsigned i = 0; i < ARRAY_LEN(fields); i++)
        if (fields[i] == (enc & ~1u))
            return true;
    return false;
}

static void all_encodings_of_every_profile(void **state)
{
    (void)state;
    assert_int_equal(csv_read("tests/data/broadwell_vmcs_layout.csv", note_row, NULL), 207);
    struct vmcs_image v;
    pattern(&v);
    for (enum vmx_profile p = 0; p < PROFILE_HOST; p++) {
        const struct vmx_caps *caps = profile_caps(p);
        unsigned known = 0;
        for (u32 enc = 0; enc < 0x10000; enc++) {
            u64 value;
            bool there = on_broadwell[enc] && (p != PROFILE_BROADWELL || !xeon_only(enc));
            assert_int_equal(vmcs12_read(&v, caps, enc, &value), there ? 0 : 12);
            assert_int_equal(vmcs12_write(&v, caps, enc, 0), there ? 0 : 12);
        }
        sweep(caps);
        struct vmx_caps strict = *caps;
        strict.misc &= ~(1ull << 29);
        for (u32 enc = 0; enc < 0x10000; enc++)
            sweep_one(&strict, enc, &known);
        assert_true(known > 150);
    }
}

/* Outside 64-bit mode operands are 32 bits: an encoding's upper half is not seen, a VMWRITE of a
 * wider field clears bits 63:32, and only the high encoding reaches them. */
static void operands_outside_64bit_mode(void **state)
{
    (void)state;
    struct vmx_caps caps = caps_all();
    struct vmcs_image v;
    u64 value;
    memset(&v, 0xff, sizeof v);
    assert_int_equal(vmcs12_write(&v, &caps, (u32)0x1122334400006800, (u32)0x5566778899aabbcc), 0);
    assert_int_equal(v.guest_cr0, 0x99aabbcc);
    assert_int_equal(vmcs12_write(&v, &caps, 0x1122334400006800, 0), 12);
    assert_int_equal(vmcs12_write(&v, &caps, 0x2800, (u32)~0ull), 0);
    assert_int_equal(v.vmcs_link_pointer, 0xffffffff);
    assert_int_equal(vmcs12_write(&v, &caps, 0x2801, (u32)~0ull), 0);
    assert_int_equal(v.vmcs_link_pointer, ~0ull);
    assert_int_equal(vmcs12_read(&v, &caps, 0x2801, &value), 0);
    assert_int_equal(value, 0xffffffff);
}

/* "If the encoding sets any of bits 63:32 in 64-bit mode", and bit 12, 15, 16...: error 12. */
static void bits_beyond_the_encoding(void **state)
{
    (void)state;
    struct vmx_caps caps = caps_all();
    struct vmcs_image v;
    u64 value;
    pattern(&v);
    assert_int_equal(vmcs12_read(&v, &caps, 0x681e, &value), 0);
    for (unsigned b = 0; b < 64; b++) {
        if (b >= 1 && b <= 5) /* other fields of the same kind */
            continue;
        if (b == 11 || b == 10 || b == 13 || b == 14)
            continue;
        assert_int_equal(vmcs12_read(&v, &caps, 0x681eull ^ (1ull << b), &value), 12);
    }
}

static void halves(void **state)
{
    (void)state;
    struct vmx_caps caps = caps_all();
    struct vmcs_image v;
    u64 value;
    memset(&v, 0, sizeof v);
    assert_int_equal(vmcs12_write(&v, &caps, 0x2800, 0x1122334455667788), 0);
    assert_int_equal(vmcs12_read(&v, &caps, 0x2801, &value), 0);
    assert_int_equal(value, 0x11223344);
    assert_int_equal(vmcs12_write(&v, &caps, 0x2801, 0xffffffffaabbccdd), 0);
    assert_int_equal(v.vmcs_link_pointer, 0xaabbccdd55667788);
    assert_int_equal(vmcs12_read(&v, &caps, 0x4401, &value), 12);
    assert_int_equal(vmcs12_read(&v, &caps, 0x6801, &value), 12);
}

static void access_rights_drop_reserved_bits(void **state)
{
    (void)state;
    struct vmx_caps caps = caps_all();
    struct vmcs_image v;
    u64 value;
    memset(&v, 0, sizeof v);
    for (u32 enc = 0x4814; enc <= 0x4822; enc += 2) {
        assert_int_equal(vmcs12_write(&v, &caps, enc, 0xffffffff), 0);
        assert_int_equal(vmcs12_read(&v, &caps, enc, &value), 0);
        assert_int_equal(value, 0x1f0ff);
        for (unsigned b = 0; b < 17; b++) {
            assert_int_equal(vmcs12_write(&v, &caps, enc, 1u << b), 0);
            assert_int_equal(vmcs12_read(&v, &caps, enc, &value), 0);
            assert_int_equal(value, (1u << b) & 0x1f0ff);
        }
    }
}

static void names_and_rows(void **state)
{
    (void)state;
    assert_string_equal(vmcs12_name(F_guest_rip), "guest_rip");
    assert_string_equal(vmcs12_name(F_vpid), "vpid");
    assert_string_equal(vmcs12_name(F_COUNT), "");
    for (enum vmcs_field f = 0; f < F_COUNT; f++) {
        const struct vmcs_field_desc *d = vmcs12_desc(f);
        assert_int_equal(vmcs12_find(d->encoding), f);
        assert_int_equal(d->area, enc_area(d->encoding));
        assert_true(strlen(vmcs12_name(f)) > 3);
    }
}

static void get_returns_what_set_stored(void **state)
{
    (void)state;
    static const u64 mask[] = {
        [W16] = 0xffff, [W32] = 0xffffffff, [W64] = ~0ull, [WNW] = ~0ull, [WAR] = 0x1f0ff};
    struct vmcs_image v;
    pattern(&v);
    for (enum vmcs_field f = 0; f < F_COUNT; f++)
        vmcs12_set(&v, f, 0x0123456789abcdefull * (f + 1u));
    for (enum vmcs_field f = 0; f < F_COUNT; f++)
        assert_int_equal(vmcs12_get(&v, f),
                         (0x0123456789abcdefull * (f + 1u)) & mask[vmcs12_desc(f)->width]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_encodings),
        cmocka_unit_test(all_encodings_of_every_profile),
        cmocka_unit_test(operands_outside_64bit_mode),
        cmocka_unit_test(bits_beyond_the_encoding),
        cmocka_unit_test(halves),
        cmocka_unit_test(access_rights_drop_reserved_bits),
        cmocka_unit_test(names_and_rows),
        cmocka_unit_test(get_returns_what_set_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
