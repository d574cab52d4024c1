/* SPDX-License-Identifier: BSD-2-Clause */
/* Which exits an instruction causes. SDM 3C 26.1 "Instructions That Cause VM Exits" lists the
 * instructions; all other reasons are events, accesses to memory, VM entries, or numbers
 * without a meaning. */
#include "hv/arch/exit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* By the SDM's words for the reason, so that the two lists are not one. */
/* clang-format off */
static const char *const not_instructions[] = {
    "exception or NMI", "external interrupt", "triple fault", "INIT signal", "start-up IPI",
    "I/O SMI", "other SMI",
    "interrupt window", "NMI window", "task switch", "VM-entry failure due to invalid guest state",
    "VM-entry failure due to MSR loading", "monitor trap flag",
    "VM-entry failure due to machine-check event",
    "TPR below threshold", "APIC access", "virtualized EOI", "EPT violation",
    "EPT misconfiguration",
    "VMX-preemption timer expired", "APIC write", "page-modification log full", "SPP-related event",
    "bus lock",
    "instruction timeout",
};
/* clang-format on */

static bool is_event(const char *text)
{
    for (unsigned i = 0; i < sizeof not_instructions / sizeof *not_instructions; i++)
        if (strcmp(text, not_instructions[i]) == 0)
            return true;
    return false;
}

static void every_reason(void **state)
{
    (void)state;
    bool known[EXIT_REASON_COUNT] = {0};
    unsigned events = 0;

#define EXIT(num, name, text) \
    known[num] = true;        \
    events += is_event(text); \
    assert_int_equal(exit_by_instruction(num), !is_event(text));
#include "hv/arch/vmx_exit.def"
    assert_int_equal(events, sizeof not_instructions / sizeof *not_instructions);
    for (u32 i = 0; i < 0x10000; i++)
        if (i >= EXIT_REASON_COUNT || !known[i])
            assert_false(exit_by_instruction(i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_reason)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
