/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VM-entry checks on guest segment registers: for each register and each mode every bit of the
 * access rights flipped, limits against granularity, bases, selectors, unusable. Each accepted one
 * says what the exit saved.
 *
 * Right: A value that the SDM allows is entered and saved as loaded; any other is exit reason 33.
 * SDM 3C 27.3.1.2 "Checks on Guest Segment Registers"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_l2.h"

static const char *const segment[8] = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};

static u64 *of(u32 first, unsigned seg)
{
    return &l2.f[vmx_find(first + 2 * seg)];
}

static void launch(const char *what, unsigned seg, u64 v)
{
    char name[48];

    gt_format(name, sizeof name, "%s_%s_%lx", segment[seg], what, v);
    l2_write();
    l2_enter(false);
    l2_report(name);
}

static void rights(enum l2_mode mode, unsigned seg)
{
    /* CAVEAT(ar-packing): reserved bits may not be stored, so only the others are flipped. */
    for (unsigned bit = 0; bit < 17; bit += bit == 7 ? 5 : 1) {
        l2_world(mode);
        l2_code("", 0);
        *of(V_GUEST_ES_AR, seg) ^= 1ul << bit;
        launch("ar", seg, *of(V_GUEST_ES_AR, seg));
    }
    for (u64 type = 0; type < 16; type++) {
        l2_world(mode);
        l2_code("", 0);
        *of(V_GUEST_ES_AR, seg) = (*of(V_GUEST_ES_AR, seg) & ~0x1000ful) | type;
        launch("type", seg, *of(V_GUEST_ES_AR, seg));
    }
}

/* A usable segment whose limit has a 0 in bits 11:0 must have G 0, one with a 1 in bits 31:20
 * must have G 1. In virtual-8086 mode the limit of each of the six segments is 0xffff. SDM 3C
 * 27.3.1.2 "Checks on Guest Segment Registers" */
static void limits(enum l2_mode mode, unsigned seg)
{
    static const u32 limit[] = {0,        0x66,       0x67,       0xfff,     0x1000,
                                0xfffe,   0xffff,     0x10000,    0xfffff,   0x100000,
                                0x100fff, 0xfffff000, 0xfffffffe, 0xffffffff};

    for (unsigned i = 0; i < sizeof limit / sizeof *limit; i++) {
        for (unsigned g = 0; g < 2; g++) {
            l2_world(mode);
            l2_code("", 0);
            *of(V_GUEST_ES_LIMIT, seg) = limit[i];
            *of(V_GUEST_ES_AR, seg) = (*of(V_GUEST_ES_AR, seg) & ~0x8000ul) | g << 15;
            launch(g ? "limit_g" : "limit", seg, limit[i]);
        }
    }
}

/* The bases of FS, GS, TR and usable LDTR must be canonical. Those of CS, and of usable SS, DS
 * and ES, have bits 63:32 clear. In virtual-8086 mode the base of each of the six segments is
 * its selector times 16. SDM 3C 27.3.1.2 "Checks on Guest Segment Registers" */
static void bases(enum l2_mode mode, unsigned seg)
{
    static const u64 base[] = {0,
                               1,
                               0x10000,
                               0x10001,
                               0xfffff,
                               0x100000,
                               0xffffffff,
                               0x100000000,
                               0x7fffffffffff,
                               0x800000000000,
                               0xffff800000000000,
                               ~0ul};

    for (unsigned i = 0; i < sizeof base / sizeof *base; i++) {
        l2_world(mode);
        l2_code("", 0);
        *of(V_GUEST_ES_BASE, seg) = base[i];
        launch("base", seg, base[i]);
    }
}

/* TR has TI 0. In virtual-8086 mode a selector must fit its base. In other modes SS has the RPL
 * of CS, and the RPL of usable ES, DS, FS and GS is not above their DPL. SDM 3C 27.3.1.2 "Checks
 * on Guest Segment Registers" */
static void selectors(enum l2_mode mode, unsigned seg)
{
    static const u16 sel[] = {0,    1,    2,    3,    4,      7,      8,      0xb,
                              0x10, 0x13, 0x14, 0x4c, 0x1000, 0x1003, 0x1004, 0xffff};

    for (unsigned i = 0; i < sizeof sel / sizeof *sel; i++) {
        l2_world(mode);
        l2_code("", 0);
        *of(V_GUEST_ES_SEL, seg) = sel[i];
        launch("sel", seg, sel[i]);
    }
}

/* LDTR starts unusable: make it a real one first. A usable LDTR has type 2, S 0, P 1, TI 0 and a
 * canonical base. SDM 3C 27.3.1.2 "Checks on Guest Segment Registers" */
static void ldtr(enum l2_mode mode)
{
    static const u32 ar[] = {0x82, 0x02, 0x92, 0x80, 0x8b, 0x8082, 0x10082, 0x2082};

    for (unsigned i = 0; i < sizeof ar / sizeof *ar; i++) {
        for (unsigned bad = 0; bad < 3; bad++) {
            l2_world(mode);
            l2_code("", 0);
            l2.f[VI_GUEST_LDTR_SEL] = bad == 1 ? SEL_LDT | 4 : SEL_LDT;
            l2.f[VI_GUEST_LDTR_BASE] = bad == 2 ? 0x800000000000 : L2_AT(P_LDT);
            l2.f[VI_GUEST_LDTR_LIMIT] = 0xfff;
            l2.f[VI_GUEST_LDTR_AR] = ar[i];
            launch(bad == 0 ? "ar" : bad == 1 ? "ti" : "noncanonical", 6, ar[i]);
        }
    }
}

/* CPL is SS.DPL: combinations of CS and SS privilege, conforming or not. Each RPL follows its
 * DPL here. SS must have the RPL of CS, so only equal privileges are entered, and in
 * virtual-8086 mode none is. SDM 3C 27.3.1.2 "Checks on Guest Segment Registers" */
static void privilege(enum l2_mode mode)
{
    for (u64 type = 9; type < 16; type += 2) {
        for (u64 dpl = 0; dpl < 16; dpl++) {
            l2_world(mode);
            l2_code("", 0);
            l2.f[VI_GUEST_CS_AR] = (l2.f[VI_GUEST_CS_AR] & ~0x6ful) | type | (dpl & 3) << 5;
            l2.f[VI_GUEST_SS_AR] = (l2.f[VI_GUEST_SS_AR] & ~0x60ul) | (dpl >> 2) << 5;
            l2.f[VI_GUEST_SS_SEL] = (l2.f[VI_GUEST_SS_SEL] & ~3ul) | dpl >> 2;
            l2.f[VI_GUEST_CS_SEL] = (l2.f[VI_GUEST_CS_SEL] & ~3ul) | (dpl & 3);
            launch("privilege", 1, type << 8 | dpl);
        }
    }
}

TEST_MAIN(vmx_segments)
{
    static const u8 modes[] = {L2_64, L2_64_R3, L2_COMPAT, L2_32, L2_V86};

    vmx_begin();
    if (vmx_on()) {
        l2_init();
        for (unsigned m = 0; m < sizeof modes; m++) {
            for (unsigned seg = 0; seg < 8; seg++) {
                rights(modes[m], seg);
                limits(modes[m], seg);
                bases(modes[m], seg);
                selectors(modes[m], seg);
            }
            ldtr(modes[m]);
            privilege(modes[m]);
        }
    }
    vmx_end();
}
