/* SPDX-License-Identifier: BSD-2-Clause */
/* Events across levels: the SDM's tables restated and every vector, type and flag tried. */
#include "hv/arch/event.h"
#include "hv/vmcs12/event.h"
#include "hv/arch/cpu.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#define VALID 0x80000000u

static u32 info_of(u32 type, u32 vector)
{
    return VALID | type << 8 | vector;
}

/* Exit information becomes entry information: same vector, type and error flag; bit 12 and
 * the reserved bits 30:13 must not reach the entry field, where they must be 0; real mode
 * has no error codes. */
static void delivered_every_type(void **state)
{
    (void)state;
    for (u32 type = 0; type < 8; type++)
        for (u32 vector = 0; vector < 256; vector++)
            for (u32 i = 0; i < 4; i++) {
                u32 err = i & 1, code = i & 1 && i & 2;
                struct vmexit x = {.idt_info = info_of(type, vector) | err << 11 | 0x7ffff000u,
                                   .idt_error = 0x1234,
                                   .insn_len = 3};
                struct vmexit caught = {
                    .intr_info = x.idt_info, .intr_error = 0x1234, .insn_len = 3};
                u64 cr0 = i & 2 ? CR0_PE : ~CR0_PE;
                struct event ev = event_interrupted(&x, cr0), other = event_caught(&caught, cr0);
                bool soft = type == 4 || type == 5 || type == 6;

                assert_int_equal(ev.info, info_of(type, vector) | code << 11);
                assert_int_equal(ev.error, code ? 0x1234 : 0);
                assert_int_equal(ev.len, soft ? 3 : 0);
                assert_memory_equal(&ev, &other, sizeof ev);
                x.idt_info &= ~VALID;
                assert_int_equal(event_interrupted(&x, cr0).info, 0);
            }
}

/* SDM 3A 6.13 "Error Code": EXT is clear for INT n, INT3 and INTO. INT1 is not among them,
 * but has a length. */
static void kinds_of_events(void **state)
{
    (void)state;
    for (u32 type = 0; type < 8; type++) {
        assert_int_equal(event_external(info_of(type, 1)), type != 4 && type != 6);
        assert_false(event_external(info_of(type, 1) & ~VALID));
        assert_int_equal(event_by_instruction(info_of(type, 1)), type >= 4 && type <= 6);
    }
}

/* interrupted, then overtaken: L1 finds what the CPU had recorded. */
static void overtaken_is_the_inverse(void **state)
{
    (void)state;
    for (u32 type = 0; type < 8; type++) {
        struct vmexit was = {
            .idt_info = info_of(type, 14) | 1u << 11, .idt_error = 5, .insn_len = 2};
        struct vmexit x = {.insn_len = 7};
        struct event ev = event_interrupted(&was, CR0_PE);
        bool soft = type == 4 || type == 5 || type == 6;

        event_overtaken(&ev, &x);
        assert_int_equal(x.idt_info, was.idt_info);
        assert_int_equal(x.idt_error, 5);
        assert_int_equal(x.insn_len, soft ? 2 : 7);
    }
    struct vmexit x = {.idt_info = 77, .idt_error = 88, .insn_len = 99};
    struct event empty = {0x300, 1, 1}; /* valid bit clear */
    event_overtaken(&empty, &x);
    assert_int_equal(x.idt_info, 77);
    assert_int_equal(x.idt_error, 88);
    assert_int_equal(x.insn_len, 99);
}

/* SDM 3C 28.2.3 "Information About NMI Unblocking Due to IRET" */
static void iret_undone(void **state)
{
    (void)state;
    for (u32 reason = 0; reason < EXIT_REASON_COUNT; reason++) {
        bool by_info = reason == 0, by_qual = reason == 48 || reason == 62 || reason == 66;
        struct vmexit x = {.reason = reason, .intr_info = info_of(3, 13) | 1u << 12};

        assert_int_equal(event_iret_undone(&x, 0), by_info);
        x.qual = 1u << 12;
        x.intr_info &= ~(1u << 12);
        assert_int_equal(event_iret_undone(&x, 0), by_qual);
        x.intr_info |= 1u << 12;
        assert_int_equal(event_iret_undone(&x, PIN_NMI_EXITING | PIN_VIRTUAL_NMIS),
                         by_info || by_qual);
        assert_int_equal(event_iret_undone(&x, PIN_NMI_EXITING), false);
        x.intr_info = info_of(3, 8) | 1u << 12; /* "undefined if the vector is 8 (#DF)" */
        assert_int_equal(event_iret_undone(&x, 0), by_qual);
        x.intr_info = info_of(2, 2) | 1u << 12; /* no fault */
        assert_int_equal(event_iret_undone(&x, 0), by_qual);
        x.idt_info = VALID;
        assert_int_equal(event_iret_undone(&x, 0), false);
        x.intr_info = info_of(3, 13) | 1u << 12;
        assert_int_equal(event_iret_undone(&x, 0), false);
    }
}

/* SDM 3A 6.13 "Error Code" and the reference pages: 8, 10-14, 17, 21 push one, in protected
 * mode. */
static void exceptions_with_codes(void **state)
{
    (void)state;
    for (u32 v = 0; v < 32; v++) {
        bool has = v == 8 || (v >= 10 && v <= 14) || v == 17 || v == 21;
        struct event ev = event_exception((u8)v, 0xabc, CR0_PE);

        assert_int_equal(ev.info, info_of(3, v) | (has ? 1u << 11 : 0));
        assert_int_equal(ev.error, has ? 0xabc : 0);
        ev = event_exception((u8)v, 0xabc, ~CR0_PE);
        assert_int_equal(ev.info, info_of(3, v));
        assert_int_equal(ev.error, 0);
    }
    assert_false(event_has_error(32 + 8));
    assert_false(event_has_error(255));
}

/* SDM 3A 6.15 "Exception and Interrupt Reference", table "Conditions for Generating a Double
 * Fault", for all pairs of vectors: contributory 0, 10-13 (and #CP); page faults 14 (and #VE). */
static char class_of(u32 v)
{
    return v == 8                                      ? 'd'
           : v == 0 || (v >= 10 && v <= 13) || v == 21 ? 'c'
           : v == 14 || v == 20                        ? 'p'
                                                       : 'b';
}

static void double_faults(void **state)
{
    (void)state;
    for (u32 a = 0; a < 32; a++)
        for (u32 b = 0; b < 32; b++) {
            struct event one = event_exception((u8)a, 1, CR0_PE),
                         two = event_exception((u8)b, 2, CR0_PE);
            bool triple = true, bad = class_of(b) == 'c' || class_of(b) == 'p';
            struct event got = event_combine(&one, &two, CR0_PE, &triple);

            if (class_of(a) == 'd' && bad) {
                assert_true(triple);
                assert_int_equal(got.info, 0);
                continue;
            }
            assert_false(triple);
            if ((class_of(a) == 'c' && class_of(b) == 'c') || (class_of(a) == 'p' && bad)) {
                assert_int_equal(got.info, info_of(3, 8) | 1u << 11);
                assert_int_equal(got.error, 0);
            } else {
                assert_int_equal(got.info, two.info);
                assert_int_equal(got.error, two.error);
            }
        }
}

/* "First: interrupts, NMIs, software interrupts: benign", whatever their vector. */
static void benign_first_events(void **state)
{
    (void)state;
    struct event pf = event_exception(14, 6, CR0_PE);

    for (u32 type = 0; type < 8; type++) {
        struct event one = {.info = info_of(type, 13)};
        bool triple;
        struct event got = event_combine(&one, &pf, CR0_PE, &triple);

        assert_false(triple);
        assert_int_equal(INTR_VECTOR(got.info), 14); /* #GP then #PF is benign order too */
        one.info = info_of(type, 14);
        got = event_combine(&one, &pf, CR0_PE, &triple);
        assert_int_equal(INTR_VECTOR(got.info), type == 3 ? 8 : 14);
        one.info &= ~VALID;
        got = event_combine(&one, &pf, CR0_PE, &triple);
        assert_int_equal(INTR_VECTOR(got.info), 14);
    }
    bool triple;
    struct event de = event_exception(0, 0, CR0_PE);
    assert_int_equal(event_combine(&de, &de, CR0_PE, &triple).info, info_of(3, 8) | 1u << 11);
    assert_int_equal(event_combine(&de, &de, 0, &triple).info, info_of(3, 8)); /* real mode */
}

/* SDM 3C 25.6.3 "Exception Bitmap": exhaustive over bit, mask, match and code of 4 bits. */
static void exception_bitmap(void **state)
{
    (void)state;
    static struct vmcs_image v12;

    for (u32 vector = 0; vector < 256; vector++) {
        v12.exception_bitmap = vector < 32 ? 1u << vector : ~0u;
        assert_int_equal(event_exits_to_l1(&v12, (u8)vector, 0), vector < 32);
        v12.exception_bitmap = vector < 32 ? ~(1u << vector) : 0;
        if (vector != 14)
            assert_false(event_exits_to_l1(&v12, (u8)vector, 0));
    }
    for (u32 i = 0; i < 1u << 13; i++) {
        u32 mask = i & 15, match = i >> 4 & 15, code = i >> 8 & 15, bit = i >> 12;

        v12.exception_bitmap = bit << 14;
        v12.pf_error_code_mask = mask;
        v12.pf_error_code_match = match;
        bool equal = (code & mask) == match;
        assert_int_equal(event_exits_to_l1(&v12, 14, code), bit ? equal : !equal);
    }
}

/* planned: bit 0 an event is planned, bit 1 a debug exception is pending. */
static enum nmi_plan plan(bool in_l2, u32 pin12, u32 intr, u32 activity, u32 planned)
{
    struct nmi_facts f = {in_l2, pin12, intr, activity, planned & 1, planned & 2};
    return nmi_plan(&f);
}

/* A held NMI: blocked when the level's NMIs are, and never lost. */
static void nmi_plans(void **state)
{
    (void)state;
    const u32 exits = PIN_NMI_EXITING, virt = PIN_NMI_EXITING | PIN_VIRTUAL_NMIS;

    for (u32 intr = 0; intr < 16; intr++)
        for (u32 planned = 0; planned < 4; planned++) {
            bool blocked = intr & BLOCKING_BY_NMI;
            bool soon = planned || (intr & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS));
            enum nmi_plan plain = blocked || soon ? NMI_WINDOW : NMI_INJECT;

            assert_int_equal(plan(false, virt, intr, ACTIVITY_ACTIVE, planned), plain);
            assert_int_equal(plan(true, 0, intr, ACTIVITY_HLT, planned), plain);
            assert_int_equal(plan(true, exits, intr, ACTIVITY_ACTIVE, planned), blocked ? NMI_HOLD
                                                                                : soon
                                                                                    ? NMI_WINDOW
                                                                                    : NMI_REFLECT);
            assert_int_equal(plan(true, virt, intr, ACTIVITY_SHUTDOWN, planned),
                             blocked ? NMI_REFLECT
                             : soon  ? NMI_WINDOW
                                     : NMI_REFLECT);
            assert_int_equal(plan(true, virt, intr, ACTIVITY_WAIT_SIPI, planned), NMI_HOLD);
            assert_int_equal(plan(false, 0, intr, ACTIVITY_WAIT_SIPI, planned), NMI_HOLD);
        }
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delivered_every_type),   cmocka_unit_test(overtaken_is_the_inverse),
        cmocka_unit_test(iret_undone),            cmocka_unit_test(exceptions_with_codes),
        cmocka_unit_test(double_faults),          cmocka_unit_test(benign_first_events),
        cmocka_unit_test(exception_bitmap),       cmocka_unit_test(nmi_plans),
        cmocka_unit_test(kinds_of_events),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
