/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event injection: every type with the vectors that matter, with and without an error code, into
 * every mode; software events with every instruction length; and all that the SDM forbids.
 * A delivered event shows as "at handler N" and what was pushed on L2's stack.
 *
 * Right: A legal event is delivered before the first instruction. The RIP that is pushed lies
 * behind a software interrupt or exception, and at the instruction for the rest. Any other value
 * fails the entry with VMfail 7. SDM 3C 27.2.1.3 "VM-Entry Control Fields"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_l2.h"

static void inject(const char *what, enum l2_mode mode, u32 info, u32 error, u32 length,
                   const struct vmx_set *more, size_t n)
{
    char name[64];

    if ((info & INTR_VALID) && (info & 0x700) == INTR_OTHER)
        return; /* CAVEAT(bochs-inject-other): ends the emulator */
    l2_world(mode);
    l2_code("\x90", 1);
    l2.f[VI_ENTRY_INTR_INFO] = info;
    l2.f[VI_ENTRY_INTR_ERROR] = error;
    l2.f[VI_ENTRY_INSN_LEN] = length;
    l2.f[VI_GUEST_RFLAGS] |= FLAG_IF;
    l2_apply(more, n);
    l2_write();
    l2_enter(false);
    gt_format(name, sizeof name, "%s_%x_error_%x_length_%x", what, info, error, length);
    l2_report(name);
}

static bool software(u32 type)
{
    return type == INTR_SOFT_INT || type == INTR_PRIV_SOFT || type == INTR_SOFT_EXC;
}

static void matrix(enum l2_mode mode)
{
    static const u8 vectors[] = {0,  1,  2,  3,  4,  5,  6,  8,  10,   12,
                                 13, 14, 17, 18, 19, 20, 31, 32, 0x80, 255};

    for (u32 type = INTR_EXTERNAL; type <= INTR_OTHER; type += 0x100) {
        for (unsigned i = 0; i < sizeof vectors; i++) {
            u32 info = INTR_VALID | type | vectors[i];

            inject("event", mode, info, 0, software(type), NULL, 0);
            if (type == INTR_HARD_EXC && vectors[i] < 32)
                inject("event", mode, info | INTR_ERROR_CODE, 0x7ff8, 0, NULL, 0);
        }
    }
}

/* A software event with a length above 15 is VMfail 7. So is length 0 where IA32_VMX_MISC does
 * not allow it. Other events have no length, and the field is ignored. SDM 3C 27.2.1.3 "VM-Entry
 * Control Fields" */
static void lengths(enum l2_mode mode)
{
    static const u32 events[] = {INTR_SOFT_INT | 0x80, INTR_PRIV_SOFT | 1,   INTR_SOFT_EXC | 3,
                                 INTR_SOFT_EXC | 4,    INTR_EXTERNAL | 0x40, INTR_HARD_EXC | 6};
    static const u32 length[] = {0, 2, 3, 14, 15, 16, 17, 0x100, 0x80000001};

    for (unsigned e = 0; e < sizeof events / sizeof *events; e++) {
        for (unsigned i = 0; i < sizeof length / sizeof *length; i++)
            inject("length", mode, INTR_VALID | events[e], 0, length[i], NULL, 0);
    }
}

/* A reserved bit, an error code for an event that has none, and a reserved bit of the error code
 * are VMfail 7. Where the valid bit is 0 nothing is checked and nothing injected. SDM 3C
 * 27.2.1.3 "VM-Entry Control Fields" */
static void illegal(void)
{
    static const u32 errors[] = {0, 1, 0x7fff, 0x8000, 0xffff, 0x10000, 0x80000000};

    for (unsigned bit = 12; bit < 31; bit++) /* reserved bits of the field, 12 being no error */
        inject("reserved", L2_64, INTR_VALID | INTR_EXTERNAL | 0x40 | 1u << bit, 0, 0, NULL, 0);
    for (unsigned i = 0; i < sizeof errors / sizeof *errors; i++)
        inject("error_value", L2_64, INTR_VALID | INTR_ERROR_CODE | INTR_HARD_EXC | 13, errors[i],
               0, NULL, 0);
    inject("not_valid", L2_64, INTR_RESERVED | 0xff, 0xffffffff, 0xff, NULL, 0);
    for (u32 type = INTR_EXTERNAL; type <= INTR_OTHER; type += 0x100)
        inject("error_flag", L2_64,
               INTR_VALID | INTR_ERROR_CODE | type | (type == INTR_NMI ? 2 : 13), 0, 1, NULL, 0);
}

/* Injection against what the guest state says: IF, blocking, activity.
 * CAVEAT(bochs-nmi-sti-qualification). An event that the state forbids is exit reason 33, and
 * any other is delivered. SDM 3C 27.3.1.4 "Checks on Guest RIP, RFLAGS, and SSP", SDM 3C
 * 27.3.1.5 "Checks on Guest Non-Register State" */
static void against_state(void)
{
    static const u32 events[] = {INTR_EXTERNAL | 0x40, INTR_NMI | 2,       INTR_HARD_EXC | 6,
                                 INTR_HARD_EXC | 1,    INTR_HARD_EXC | 18, INTR_SOFT_INT | 0x80,
                                 INTR_SOFT_EXC | 3,    INTR_PRIV_SOFT | 1};
    static const struct vmx_set state[] = {
        CLEAR(GUEST_RFLAGS, FLAG_IF),   SET(GUEST_INTERRUPTIBILITY, 1),
        SET(GUEST_INTERRUPTIBILITY, 2), SET(GUEST_INTERRUPTIBILITY, 3),
        SET(GUEST_INTERRUPTIBILITY, 8), SET(GUEST_ACTIVITY, 1),
        SET(GUEST_ACTIVITY, 2),         SET(GUEST_ACTIVITY, 3),
        SET(GUEST_ACTIVITY, 4),         OR(GUEST_RFLAGS, FLAG_TF),
        OR(GUEST_RFLAGS, 1 << 16),      SET(GUEST_PENDING_DEBUG, 1 << 14),
        SET(GUEST_IDTR_LIMIT, 0),
    };

    for (unsigned e = 0; e < sizeof events / sizeof *events; e++) {
        for (unsigned s = 0; s < sizeof state / sizeof *state; s++) {
            u32 length = software(events[e] & 0x700);
            char name[24];

            gt_format(name, sizeof name, "state_%u", s);
            inject(name, L2_64, INTR_VALID | events[e], 0, length, &state[s], 1);
        }
    }
}

/* Virtual-8086 mode: the privilege of software interrupts, and IOPL 3 and VME. */
static void virtual_8086(void)
{
    static const struct vmx_set iopl3[] = {OR(GUEST_RFLAGS, 3 << 12)};
    static const struct vmx_set vme[] = {OR(GUEST_CR4, 1)};
    static const struct vmx_set vme_redirect[] = {OR(GUEST_CR4, 1),
                                                  MEM(P_TSS32, 0x60, 0x0088000000000000)};

    for (u32 type = INTR_EXTERNAL; type <= INTR_SOFT_EXC; type += 0x100) {
        u32 vector = type == INTR_NMI         ? 2
                     : type == INTR_PRIV_SOFT ? 1
                     : type == INTR_HARD_EXC  ? 6
                                              : 0x21;

        inject("iopl3", L2_V86, INTR_VALID | type | vector, 0, software(type), iopl3, 1);
        inject("vme", L2_V86, INTR_VALID | type | vector, 0, software(type), vme, 1);
        inject("vme_redirect", L2_V86, INTR_VALID | type | vector, 0, software(type), vme_redirect,
               2);
    }
}

TEST_MAIN(vmx_inject)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        for (enum l2_mode m = 0; m < L2_MODES; m++)
            matrix(m);
        lengths(L2_64);
        lengths(L2_32_R3);
        illegal();
        against_state();
        virtual_8086();
    }
    vmx_end();
}
