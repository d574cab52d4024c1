/* SPDX-License-Identifier: BSD-2-Clause */
/* What Nidus asks of a processor: each row alone must decide, and say where it was read. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "boot/require.h"

/* The emulator's broadwell_ult as its configuration notes list it. */
static const struct facts good = {
    .vendor = "GenuineIntel",
    .known = (1u << FACT_COUNT) - 1,
    .value =
        {
            [FACT_CPUID_1_ECX] = 1u << 5,
            [FACT_CPUID_1_EDX] = 1u << 12 | 1u << 16,
            [FACT_CPUID_80000001_EDX] = 1u << 20,
            [FACT_CR4] = 0x668,
            [FACT_FEATURE_CONTROL] = 0,
            [FACT_VMX_BASIC] = 0x00d810000000002b,
            [FACT_VMX_PINBASED] = 0x7f00000016,
            [FACT_VMX_PROCBASED] = 0xf7f9fffe0401e172,
            [FACT_VMX_EXIT] = 0x7fffff00036dff,
            [FACT_VMX_ENTRY] = 0xffff000011ff,
            [FACT_VMX_MISC] = 0x200401e0,
            [FACT_VMX_PROCBASED2] = 0x57fff00000000,
            [FACT_VMX_EPT_VPID] = 0xf0106334141,
        },
};

static u32 missing(struct facts f, struct line *l)
{
    u32 n = require_first_missing(&f);
    line_clear(l);
    if (n < require_count())
        require_explain(&f, n, l);
    return n;
}

static void assert_missing(struct facts f, const char *expected)
{
    struct line l;
    assert_int_not_equal(missing(f, &l), require_count());
    assert_string_equal(l.text, expected);
}

static void test_good(void **state)
{
    (void)state;
    struct line l;
    assert_int_equal(missing(good, &l), require_count());
}

/* A real Broadwell, the i7-5600U of tests/data/broadwell_vmx_msrs.csv: what the default profile
 * shows to L1, so another Nidus can run inside. */
static void test_broadwell(void **state)
{
    (void)state;
    struct facts f = good;
    struct line l;
    f.value[FACT_VMX_BASIC] = 0x00da040000000012;
    f.value[FACT_VMX_PINBASED] = 0x7f00000016;
    f.value[FACT_VMX_PROCBASED] = 0xfff9fffe0401e172;
    f.value[FACT_VMX_EXIT] = 0x7fffff00036dff;
    f.value[FACT_VMX_ENTRY] = 0xffff000011ff;
    f.value[FACT_VMX_MISC] = 0x300481e5;
    f.value[FACT_VMX_PROCBASED2] = 0x57cff00000000;
    f.value[FACT_VMX_EPT_VPID] = 0xf0106334141;
    assert_int_equal(missing(f, &l), require_count());
}

/* Every needed bit, as the SDM numbers it, refuses alone; typed here a second time on purpose.
 */
static void test_each_needed_bit(void **state)
{
    (void)state;
    static const struct {
        enum fact fact;
        u32 bit;
        const char *why;
    } bits[] = {
        {FACT_CPUID_1_ECX, 5, "no VMX: CPUID.1:ECX bit 5 is 0"},
        {FACT_VMX_BASIC, 55, "no true controls: IA32_VMX_BASIC (MSR 0x480) bit 55 is 0"},
        {FACT_VMX_PROCBASED, 63,
         "no secondary controls: IA32_VMX_PROCBASED_CTLS (MSR 0x482) bit 63 is 0"},
        {FACT_VMX_PROCBASED2, 33, "no EPT: IA32_VMX_PROCBASED_CTLS2 (MSR 0x48b) bit 33 is 0"},
        {FACT_VMX_EPT_VPID, 6, "no EPT 4-level walk: IA32_VMX_EPT_VPID_CAP (MSR 0x48c) bit 6 is 0"},
        {FACT_VMX_EPT_VPID, 14, "no write-back EPT: IA32_VMX_EPT_VPID_CAP (MSR 0x48c) bit 14 is 0"},
        {FACT_VMX_EPT_VPID, 20, "no INVEPT: IA32_VMX_EPT_VPID_CAP (MSR 0x48c) bit 20 is 0"},
        {FACT_VMX_EPT_VPID, 26,
         "no INVEPT of all contexts: IA32_VMX_EPT_VPID_CAP (MSR 0x48c) bit 26 is 0"},
        {FACT_VMX_PROCBASED2, 39,
         "no unrestricted guest: IA32_VMX_PROCBASED_CTLS2 (MSR 0x48b) bit 39 is 0"},
        {FACT_VMX_PROCBASED, 60, "no MSR bitmaps: IA32_VMX_PROCBASED_CTLS (MSR 0x482) bit 60 is 0"},
        {FACT_VMX_PINBASED, 35, "no NMI exiting: IA32_VMX_PINBASED_CTLS (MSR 0x481) bit 35 is 0"},
        {FACT_VMX_PINBASED, 37, "no virtual NMIs: IA32_VMX_PINBASED_CTLS (MSR 0x481) bit 37 is 0"},
        {FACT_VMX_PROCBASED, 54,
         "no NMI-window exiting: IA32_VMX_PROCBASED_CTLS (MSR 0x482) bit 54 is 0"},
        {FACT_VMX_EXIT, 41, "no 64-bit host: IA32_VMX_EXIT_CTLS (MSR 0x483) bit 41 is 0"},
        {FACT_VMX_EXIT, 50, "no save PAT on exit: IA32_VMX_EXIT_CTLS (MSR 0x483) bit 50 is 0"},
        {FACT_VMX_EXIT, 51, "no load PAT on exit: IA32_VMX_EXIT_CTLS (MSR 0x483) bit 51 is 0"},
        {FACT_VMX_EXIT, 52, "no save EFER on exit: IA32_VMX_EXIT_CTLS (MSR 0x483) bit 52 is 0"},
        {FACT_VMX_EXIT, 53, "no load EFER on exit: IA32_VMX_EXIT_CTLS (MSR 0x483) bit 53 is 0"},
        {FACT_VMX_ENTRY, 41, "no 64-bit guest: IA32_VMX_ENTRY_CTLS (MSR 0x484) bit 41 is 0"},
        {FACT_VMX_ENTRY, 46, "no load PAT on entry: IA32_VMX_ENTRY_CTLS (MSR 0x484) bit 46 is 0"},
        {FACT_VMX_ENTRY, 47, "no load EFER on entry: IA32_VMX_ENTRY_CTLS (MSR 0x484) bit 47 is 0"},
        {FACT_VMX_MISC, 5, "no LMA saved on exit: IA32_VMX_MISC (MSR 0x485) bit 5 is 0"},
        {FACT_CPUID_1_EDX, 12, "no MTRRs: CPUID.1:EDX bit 12 is 0"},
        {FACT_CPUID_1_EDX, 16, "no PAT: CPUID.1:EDX bit 16 is 0"},
        {FACT_CPUID_80000001_EDX, 20, "no no-execute pages: CPUID.80000001H:EDX bit 20 is 0"},
    };
    u32 needed = 0;
    for (u32 i = 0; i < ARRAY_LEN(bits); i++) {
        struct facts f = good;
        f.value[bits[i].fact] &= ~(1ull << bits[i].bit);
        assert_missing(f, bits[i].why);
    }
    for (u32 n = 0; n < require_count(); n++)
        needed += require_is_needed(n);
    assert_int_equal(needed, ARRAY_LEN(bits) + 3); /* vendor, FEATURE_CONTROL, CR4: below */
}

static void test_vendor(void **state)
{
    (void)state;
    struct facts f = good;
    memcpy(f.vendor, "AuthenticAMD", 13);
    assert_missing(f, "not an Intel processor: CPUID.0 says \"AuthenticAMD\"");
    memcpy(f.vendor, "GenuineInteL", 13);
    assert_missing(f, "not an Intel processor: CPUID.0 says \"GenuineInteL\"");
}

static void test_feature_control(void **state)
{
    (void)state;
    static const struct {
        u64 value;
        bool good;
    } rows[] = {{0, true}, {4, true}, {5, true}, {7, true}, {2, true}, {1, false}, {3, false}};
    for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
        struct facts f = good;
        struct line l;
        f.value[FACT_FEATURE_CONTROL] = rows[i].value;
        assert_int_equal(missing(f, &l) == require_count(), rows[i].good);
        if (!rows[i].good)
            assert_string_equal(l.text, "locked without VMX in FEATURE_CONTROL: "
                                        "IA32_FEATURE_CONTROL (MSR 0x3a) bit 2 is 0; turn on "
                                        "Intel Virtualization Technology (VT-x) in the BIOS setup");
    }
}

static void test_five_level_paging(void **state)
{
    (void)state;
    struct facts f = good;
    f.value[FACT_CR4] |= 1u << 12;
    assert_missing(f, "no 4-level paging: CR4 bit 12 is 1");
}

/* What is only wanted never refuses, whatever else is missing. */
static void test_wanted(void **state)
{
    (void)state;
    struct facts f = good;
    struct line l;
    f.value[FACT_VMX_PROCBASED2] &= 1ull << 33 | 1ull << 39;
    f.value[FACT_VMX_EPT_VPID] &= 1u << 6 | 1u << 14 | 1u << 20 | 1u << 26;
    f.value[FACT_VMX_MISC] = 1u << 5;
    assert_int_equal(missing(f, &l), require_count());
    u32 unmet = 0;
    for (u32 n = 0; n < require_count(); n++)
        unmet += !require_is_met(&f, n);
    assert_true(unmet > 8);
}

/* Facts are read in enum order: no MSR is read before what says that it exists. */
static void test_msr_exists(void **state)
{
    (void)state;
    struct facts f = {.vendor = "GenuineIntel"};
    for (u32 n = 0; n < FACT_COUNT; n++)
        assert_int_equal(facts_msr(&f, n), 0);
    f.value[FACT_CPUID_1_ECX] = 1u << 5;
    assert_int_equal(facts_msr(&f, FACT_CR4), 0);
    assert_int_equal(facts_msr(&f, FACT_FEATURE_CONTROL), 0x3a);
    assert_int_equal(facts_msr(&f, FACT_VMX_BASIC), 0x480);
    assert_int_equal(facts_msr(&f, FACT_VMX_PROCBASED2), 0);
    f.value[FACT_VMX_PROCBASED] = 1ull << 63;
    assert_int_equal(facts_msr(&f, FACT_VMX_PROCBASED2), 0x48b);
    assert_int_equal(facts_msr(&f, FACT_VMX_EPT_VPID), 0);
    f.value[FACT_VMX_PROCBASED2] = 1ull << 37;
    assert_int_equal(facts_msr(&f, FACT_VMX_EPT_VPID), 0x48c);
    f.value[FACT_VMX_PROCBASED2] = 1ull << 33;
    assert_int_equal(facts_msr(&f, FACT_VMX_EPT_VPID), 0x48c);
    memcpy(f.vendor, "AuthenticAMD", 13);
    assert_int_equal(facts_msr(&f, FACT_VMX_BASIC), 0);
}

static void test_report(void **state)
{
    (void)state;
    struct facts f = good;
    struct line l;
    static const char *expected[] = {
        "found   needed Intel processor: CPUID.0 says \"GenuineIntel\"",
        "found   needed VMX: CPUID.1:ECX = 0x20, bit 5",
        ("found   needed VMX in FEATURE_CONTROL: IA32_FEATURE_CONTROL (MSR 0x3a) = 0x0, bit 2, "
         "not locked yet"),
        "missing needed true controls: IA32_VMX_BASIC (MSR 0x480) does not exist",
        ("found   needed secondary controls: IA32_VMX_PROCBASED_CTLS (MSR 0x482) = "
         "0xf7f9fffe0401e172, bit 63"),
    };
    f.known &= ~(1u << FACT_FEATURE_CONTROL);
    assert_false(require_is_met(&f, 2)); /* an MSR that is not there allows nothing */
    f = good;
    f.known &= ~(1u << FACT_VMX_BASIC);
    f.value[FACT_VMX_BASIC] = 0;
    for (u32 n = 0; n < ARRAY_LEN(expected); n++) {
        line_clear(&l);
        require_report(&f, n, &l);
        assert_string_equal(l.text, expected[n]);
    }
    assert_missing(f, "no true controls: IA32_VMX_BASIC (MSR 0x480) does not exist");
    for (u32 n = 0; n < require_count(); n++) { /* no line is cut off */
        line_clear(&l);
        require_report(&good, n, &l);
        assert_true(l.len < 120);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_broadwell),
        cmocka_unit_test(test_each_needed_bit),
        cmocka_unit_test(test_vendor),
        cmocka_unit_test(test_feature_control),
        cmocka_unit_test(test_five_level_paging),
        cmocka_unit_test(test_wanted),
        cmocka_unit_test(test_msr_exists),
        cmocka_unit_test(test_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
