/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What may end the machine, so in a boot of its own: the shutdown activity state, entered or
 * reached, left by the preemption timer or an NMI. The last case is expected to be the last thing a
 * bad emulator does.
 *
 * Right: In the shutdown state nothing is executed; the timer and an NMI exit all the same. SDM 3C
 * 25.4.2 "Guest Non-Register State"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_l2.h"

#define SHUTDOWN SET(GUEST_ACTIVITY, 2), SET(PREEMPTION_TIMER, 20000)
static const struct l2_case cases[] = {
    CASE("injected nmi", L2_64, "", SHUTDOWN, INJECT(INTR_NMI | 2)),
    CASE("injected machine check", L2_64, "", SHUTDOWN, INJECT(INTR_HARD_EXC | 18)),
    CASE("injected external", L2_64, "", SHUTDOWN, INJECT(INTR_EXTERNAL | 0x40),
         OR(GUEST_RFLAGS, FLAG_IF)),
    CASE("timer 0", L2_64, "", SHUTDOWN, SET(PREEMPTION_TIMER, 0)),
    CASE("timer", L2_64, "", SHUTDOWN),
};

TEST_MAIN(vmx_shutdown)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        l2_cases(cases, sizeof cases / sizeof *cases);
    }
    vmx_end();
}
