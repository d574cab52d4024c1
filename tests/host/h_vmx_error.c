/* SPDX-License-Identifier: BSD-2-Clause */
/* The pairs (instruction, error number) that the SDM knows, typed separately from vmx_error.def:
 * SDM 3C 31.4 "VM Instruction Error Numbers". */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "hv/arch/vmx_error.h"

struct pair {
    u32 insn;
    u32 errors[16]; /* zero ends */
};

static const struct pair pairs[] = {
    {INSN_VMXON, {15}},
    {INSN_VMXOFF, {23}},
    {INSN_VMCLEAR, {2, 3}},
    {INSN_VMPTRLD, {9, 10, 11}},
    {INSN_VMPTRST, {0}},
    {INSN_VMREAD, {12}},
    {INSN_VMWRITE, {12, 13}},
    {INSN_VMLAUNCH, {4, 7, 8, 16, 17, 18, 25, 26}},
    {INSN_VMRESUME, {5, 6, 7, 8, 16, 17, 18, 25, 26}},
    {INSN_VMCALL, {1, 19, 20, 22, 24}},
    {INSN_INVEPT, {28}},
    {INSN_INVVPID, {28}},
    {INSN_VMFUNC, {0}},
};

static bool listed(const struct pair *p, u32 err)
{
    for (unsigned i = 0; i < ARRAY_LEN(p->errors) && p->errors[i] != 0; i++)
        if (p->errors[i] == err)
            return true;
    return false;
}

static void every_pair(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(pairs); i++)
        for (u32 err = 0; err < 100; err++)
            assert_int_equal(vmx_error_allowed((enum vmx_insn)pairs[i].insn, err),
                             listed(&pairs[i], err));
    assert_false(vmx_error_allowed((enum vmx_insn)0, 7));
    assert_false(vmx_error_allowed((enum vmx_insn)0x80000000u, 7));
}

static void texts(void **state)
{
    (void)state;
    unsigned known = 0;
    for (u32 err = 0; err < 100; err++)
        known += strncmp(vmx_error_text(err), "unknown", 7) != 0;
    assert_int_equal(known, 25); /* 1 to 28 without 14, 21 and 27 */
    assert_string_equal(vmx_error_text(12), "VMREAD/VMWRITE from/to unsupported VMCS component");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_pair), cmocka_unit_test(texts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
