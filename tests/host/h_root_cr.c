/* SPDX-License-Identifier: BSD-2-Clause */
/* CR0 and CR4 of root mode: what the firmware left on must not get in, what the
 * processor has must. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include "hv/arch/root_cr.h"

static const u64 cr0_fixed0 = CR0_PE | CR0_NE | CR0_PG, cr0_fixed1 = 0xffffffff;
static const struct root_cpuid none = {0}, every = {~0u, ~0u, ~0u, ~0u};

/* Whatever the firmware left on: CET, PKS, LASS, FRED, UINTR, LAM, PCIDE, SMXE, TSD, DE... */
static void test_cr4_white_list(void **state)
{
    const u64 ours =
        CR4_PAE | CR4_MCE | CR4_VMXE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP | CR4_UMIP | CR4_PKE;
    (void)state;
    assert_int_equal(root_cr4(~0ull & ~CR4_LA57, &every, CR4_VMXE, ~0ull), ours);
    assert_int_equal(root_cr4(0, &every, CR4_VMXE, ~0ull), ours);
    assert_int_equal(root_cr4(~0ull, &every, CR4_VMXE, ~0ull), ours | CR4_LA57);
    assert_int_equal(root_cr4(~0ull & ~CR4_LA57, &none, CR4_VMXE, ~0ull), CR4_PAE | CR4_VMXE);
}

static void test_cr4_each(void **state)
{
    static const struct {
        struct root_cpuid c;
        u64 bit;
    } row[] = {
        {{.leaf1_edx = 1u << 7}, CR4_MCE},  {{.leaf1_ecx = 1u << 26}, CR4_OSXSAVE},
        {{.leaf7_ebx = 1u << 7}, CR4_SMEP}, {{.leaf7_ebx = 1u << 20}, CR4_SMAP},
        {{.leaf7_ecx = 1u << 2}, CR4_UMIP}, {{.leaf7_ecx = 1u << 3}, CR4_PKE},
    };
    (void)state;
    for (u32 i = 0; i < ARRAY_LEN(row); i++) {
        u64 base = CR4_PAE | CR4_VMXE;
        assert_int_equal(root_cr4(0, &row[i].c, CR4_VMXE, ~0ull), base | row[i].bit);
        assert_int_equal(root_cr4(0, &row[i].c, CR4_VMXE, ~row[i].bit), base);
    }
}

/* Bits that VMX operation fixes are obeyed, whoever wants them. */
static void test_fixed(void **state)
{
    (void)state;
    assert_int_equal(root_cr4(0, &none, CR4_VMXE | CR4_DE, ~0ull), CR4_PAE | CR4_VMXE | CR4_DE);
    assert_int_equal(root_cr0(0, cr0_fixed0 | CR0_MP, cr0_fixed1),
                     CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG);
}

static void test_cr0(void **state)
{
    const u64 ours = CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
    (void)state;
    assert_int_equal(root_cr0(0, cr0_fixed0, cr0_fixed1), ours);
    assert_int_equal(root_cr0(~0ull & ~(CR0_CD | CR0_NW), cr0_fixed0, cr0_fixed1), ours);
    assert_int_equal(root_cr0(CR0_CD | CR0_NW, cr0_fixed0, cr0_fixed1), ours | CR0_CD | CR0_NW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cr4_white_list),
        cmocka_unit_test(test_cr4_each),
        cmocka_unit_test(test_fixed),
        cmocka_unit_test(test_cr0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
