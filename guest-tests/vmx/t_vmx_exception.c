/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The exception bitmap, bit by bit, and the page-fault error-code mask and match in
 * every combination that decides; what each exception says in the exit, and what its
 * delivery in L2 pushes.
 *
 * Right: An exception exits when its bit is 1; #PF when bit 14 equals whether (error code AND
 * mask) is the match. SDM 3C 25.6.3 "Exception Bitmap"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_l2.h"

struct raiser {
    const char *name;
    const char *code;
    u8 len, mode, vector;
    struct vmx_set set[2];
};
/* clang-format off */
#define R(NAME, MODE, VECTOR, CODE, ...) {NAME, CODE, sizeof(CODE) - 1, MODE, VECTOR, {__VA_ARGS__}}
/* clang-format on */

/* One cause per exception that ring-0 or ring-3 code can raise at will. Where the bitmap has
 * only its bit, the exception is exit reason 0. Where only its bit is missing, the exception is
 * delivered in L2. SDM 3C 25.6.3 "Exception Bitmap" */
static const struct raiser raisers[] = {
    R("de", L2_64, 0, "\xf7\xf1", REG(RCX, 0)),
    R("db tf", L2_64, 1, "\x90\x90", OR(GUEST_RFLAGS, FLAG_TF)),
    R("db icebp", L2_64, 1, "\xf1"),
    R("bp", L2_64, 3, "\xcc"),
    R("of", L2_32, 4, "\xce", OR(GUEST_RFLAGS, 1 << 11)),
    R("br", L2_32, 5, "\x62\x05\x00\x10\x01\x00", REG(RAX, 77)),
    R("ud", L2_64, 6, "\x0f\x0b"),
    R("nm ts", L2_64, 7, "\xd9\xe8", OR(GUEST_CR0, CR0_TS)),
    R("ts iret", L2_32, 10, "\xcf", OR(GUEST_RFLAGS, 1 << 14)),
    R("np", L2_64, 11, "\x8e\xe0", REG(RAX, SEL_ABSENT)),
    R("ss", L2_64, 12, "\x8b\x45\x00", REG(RBP, 0x800000000000)),
    R("gp", L2_64, 13, "\x8b\x00", REG(RAX, 0x800000000000)),
    R("gp selector", L2_64, 13, "\x8e\xd8", REG(RAX, 0x1f8)),
    R("pf read", L2_64, 14, "\x8b\x00", REG(RAX, 0x600000)),
    R("ac", L2_64_R3, 17, "\x8b\x00", REG(RAX, L2_AT(P_DATA) + 1), OR(GUEST_RFLAGS, 1 << 18)),
    R("ud", L2_V86, 6, "\x0f\x0b"),
    R("gp hlt", L2_V86, 13, "\xf4"),
    R("db tf", L2_V86, 1, "\x90\x90", OR(GUEST_RFLAGS, FLAG_TF)),
    R("pf", L2_PAE, 14, "\x8b\x00", REG(RAX, 0x600000)),
    R("ud", L2_16, 6, "\x0f\x0b"),
};

static void raise(const struct raiser *r, const char *how, u32 bitmap)
{
    char name[48];

    l2_world(r->mode);
    l2_code(r->code, r->len);
    l2.f[VI_EXCEPTION_BITMAP] = bitmap;
    if (r->vector == 17)
        l2.f[VI_GUEST_CR0] |= 1ul << 18;
    l2_apply(r->set, 2);
    l2_write();
    l2_enter(false);
    gt_format(name, sizeof name, "%s_%s", r->name, how);
    l2_report(name);
}

/* Error codes of a page fault: present, write, user, reserved, fetch. The exit has that error
 * code, and the address as its qualification. SDM 3A 4.7 "Page-Fault Exceptions", SDM 3C 28.2.1
 * "Basic VM-Exit Information" */
static const struct l2_case page_faults[] = {
    CASE("read absent", L2_64, "\x8b\x00", REG(RAX, L2_AT(P_ABSENT))),
    CASE("write absent", L2_64, "\x89\x00", REG(RAX, L2_AT(P_ABSENT))),
    CASE("write read-only", L2_64, "\x89\x00", REG(RAX, L2_AT(P_READ_ONLY))),
    CASE("read absent", L2_64_R3, "\x8b\x00", REG(RAX, L2_AT(P_ABSENT))),
    CASE("read supervisor", L2_64_R3, "\x8b\x00", REG(RAX, L2_AT(P_SUPERVISOR))),
    CASE("write supervisor", L2_64_R3, "\x89\x00", REG(RAX, L2_AT(P_SUPERVISOR) + 8)),
    CASE("fetch no-execute", L2_64, "\xff\xe0", REG(RAX, L2_AT(P_NX) + 5)),
    CASE("fetch no-execute", L2_64_R3, "\xff\xe0", REG(RAX, L2_AT(P_NX))),
    CASE("fetch absent", L2_64, "\xff\xe0", REG(RAX, L2_AT(P_ABSENT))),
    CASE("fetch absent", L2_32, "\xff\xe0", REG(RAX, L2_AT(P_ABSENT))),
    CASE("reserved bit", L2_64, "\x8b\x00", REG(RAX, L2_AT(P_SPARE)),
         PHYS(PG_L2_TABLES + 3, (16 + P_SPARE) * 8, 1ul << 51 | 7)),
    CASE("reserved bit write user", L2_64_R3, "\x89\x00", REG(RAX, L2_AT(P_SPARE)),
         PHYS(PG_L2_TABLES + 3, (16 + P_SPARE) * 8, 1ul << 51 | 7)),
    CASE("wp off write read-only", L2_64, "\x89\x00", REG(RAX, L2_AT(P_READ_ONLY)),
         CLEAR(GUEST_CR0, CR0_WP)),
    CASE("smep", L2_64, "\x90", OR(GUEST_CR4, 1 << 20)),
    CASE("smap", L2_64, "\x8b\x00", REG(RAX, L2_AT(P_DATA)), OR(GUEST_CR4, 1 << 21)),
    CASE("across into absent", L2_64, "\x8b\x00", REG(RAX, L2_AT(P_ABSENT) - 2)),
};

/* A read of an absent page (error 0), a write to a read-only one (3), a user read
 * (4), a fetch (0x11). */
static void mask_and_match(void)
{
    /* clang-format off */
    static const struct { u8 mode; const char *code; u64 rax; u32 error; } faults[] = {
        {L2_64, "\x8b\x00", L2_AT(P_ABSENT), 0},
        {L2_64, "\x89\x00", L2_AT(P_READ_ONLY), 3},
        {L2_64_R3, "\x8b\x00", L2_AT(P_ABSENT), 4},
        {L2_64, "\xff\xe0", L2_AT(P_NX), 0x11},
    };
    /* clang-format on */
    static const struct {
        u32 mask, match;
    } pairs[] = {
        {0, 0}, {0, 1}, {~0u, 0}, {~0u, 3},     {~0u, 4}, {~0u, 0x11}, {1, 0},
        {1, 1}, {2, 2}, {4, 4},   {0x10, 0x10}, {8, 0},   {1, 3},      {0x80000000, 0x80000000},
    };
    char name[48];

    for (unsigned f = 0; f < 4; f++) {
        for (unsigned p = 0; p < sizeof pairs / sizeof *pairs; p++) {
            for (unsigned bit = 0; bit < 2; bit++) {
                l2_world(faults[f].mode);
                l2_code(faults[f].code, 2);
                l2.gpr[RAX] = faults[f].rax;
                l2.f[VI_EXCEPTION_BITMAP] = bit ? 1 << 14 : ~(1u << 14);
                l2.f[VI_PF_ERROR_MASK] = pairs[p].mask;
                l2.f[VI_PF_ERROR_MATCH] = pairs[p].match;
                l2_write();
                l2_enter(false);
                gt_format(name, sizeof name, "pf_error%x_mask%x_match%x_bit%u", faults[f].error,
                          pairs[p].mask, pairs[p].match, bit);
                l2_report(name);
            }
        }
    }
}

/* After the exit CR2 is as before: an intercepted page fault does not write it. A delivered page
 * fault writes it. SDM 3C 28.1 "Architectural State Before a VM Exit" */
static void cr2_untouched(void)
{
    static const struct l2_case fault = CASE("pf", L2_64, "\x8b\x00", REG(RAX, L2_AT(P_ABSENT)));

    gt_write_cr2(0x1234500);
    l2_case_run(&fault);
    gt_line("cr2_intercepted: %lx", gt_read_cr2());
    l2_world(L2_64);
    l2_code(fault.code, fault.len);
    l2_apply(fault.set, 1);
    l2.f[VI_EXCEPTION_BITMAP] = 0;
    l2_write();
    l2_enter(false);
    gt_line("cr2_delivered: %lx", gt_read_cr2());
}

TEST_MAIN(vmx_exception)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        for (unsigned i = 0; i < sizeof raisers / sizeof *raisers; i++) {
            raise(&raisers[i], "only", 1u << raisers[i].vector);
            raise(&raisers[i], "all_but", ~(1u << raisers[i].vector));
        }
        l2_cases(page_faults, sizeof page_faults / sizeof *page_faults);
        mask_and_match();
        cr2_untouched();
    }
    vmx_end();
}
