/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control registers in L2: masks, read shadows, CR3 targets, CLTS and LMSW, CR8, and the faults
 * that come before or instead of an exit. Each line shows which bits reached the register.
 *
 * Right: A bit that the mask owns reads from the shadow, and a MOV that would give it another
 * value exits with reason 28; the other bits reach the register. A fault that does not depend on
 * the VMCS comes first. SDM 3C 26.1.1 "Relative Priority of Faults and VM Exits", SDM 3C 26.1.3
 * "Instructions That Cause VM Exits Conditionally"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_l2.h"

#define MOV_CR0_RAX "\x0f\x22\xc0"
#define MOV_RBX_CR0 "\x0f\x20\xc3"
#define MOV_CR3_RAX "\x0f\x22\xd8"
#define MOV_RBX_CR3 "\x0f\x20\xdb"
#define MOV_CR4_RAX "\x0f\x22\xe0"
#define MOV_RBX_CR4 "\x0f\x20\xe3"
#define MOV_CR8_RAX "\x44\x0f\x22\xc0"
#define MOV_RBX_CR8 "\x44\x0f\x20\xc3"
#define CLTS        "\x0f\x06"
#define LMSW_AX     "\x0f\x01\xf0"
#define LMSW_MEM    "\x0f\x01\x34\x25\x00\x10\x01\x00"
#define SMSW_EBX    "\x0f\x01\xe3"
#define G_CR0       (CR0_PG | CR0_WP | CR0_NE | 0x11)
#define G_CR4       (CR4_VMXE | CR4_PAE)
#define MASK0(M, S) SET(CR0_MASK, M), SET(CR0_SHADOW, S)
#define MASK4(M, S) SET(CR4_MASK, M), SET(CR4_SHADOW, S)
#define TO(V)       REG(RAX, V)

static const struct l2_case cr0[] = {
    CASE("read no mask", L2_64, MOV_RBX_CR0),
    CASE("read mask all", L2_64, MOV_RBX_CR0, MASK0(~0ul, 0x123456789)),
    CASE("read mask some", L2_64, MOV_RBX_CR0, MASK0(CR0_TS | CR0_WP, CR0_TS)),
    CASE("smsw mask some", L2_64, SMSW_EBX, MASK0(CR0_TS | CR0_WP | CR0_PE, CR0_TS)),
    CASE("smsw memory", L2_64, "\x0f\x01\x24\x25\x00\x10\x01\x00", MASK0(0xff, 0x5a)),
    CASE("smsw ring 3", L2_64_R3, SMSW_EBX, MASK0(CR0_TS, CR0_TS)),
    CASE("read", L2_64_R3, MOV_RBX_CR0),
    CASE("write same as shadow", L2_64, MOV_CR0_RAX, MASK0(CR0_TS, 0), TO(G_CR0)),
    CASE("write masked bit", L2_64, MOV_CR0_RAX, MASK0(CR0_TS, 0), TO(G_CR0 | CR0_TS)),
    CASE("write unmasked bit", L2_64, MOV_CR0_RAX, MASK0(CR0_PE, CR0_PE), TO(G_CR0 | CR0_TS)),
    CASE("write keeps masked bit", L2_64, MOV_CR0_RAX, MASK0(CR0_TS | CR0_WP, CR0_TS),
         TO((G_CR0 | CR0_TS) & ~CR0_WP)),
    CASE("write from r9", L2_64, "\x41\x0f\x22\xc1", MASK0(~0ul, 0), REG(R9, 1)),
    CASE("write high half", L2_64, MOV_CR0_RAX, TO(1ul << 32 | G_CR0)),
    CASE("write high half masked", L2_64, MOV_CR0_RAX, MASK0(~0ul, G_CR0), TO(1ul << 32 | G_CR0)),
    CASE("pg off", L2_64, MOV_CR0_RAX, TO(G_CR0 & ~CR0_PG)),
    /* CAVEAT(bochs-cr0-fixed): paging off in a 32-bit L2 is let through, and L2 runs wild. */
    CASE("pg off masked", L2_32, MOV_CR0_RAX, MASK0(CR0_PG, CR0_PG), TO(G_CR0 & ~CR0_PG)),
    CASE("ne off", L2_64, MOV_CR0_RAX, TO(G_CR0 & ~CR0_NE)),
    CASE("ne off masked", L2_64, MOV_CR0_RAX, MASK0(CR0_NE, 0), TO(G_CR0 & ~CR0_NE)),
    CASE("ne off shadow says on", L2_64, MOV_CR0_RAX, MASK0(CR0_NE, CR0_NE), TO(G_CR0 & ~CR0_NE)),
    CASE("nw without cd", L2_64, MOV_CR0_RAX, TO(G_CR0 | 1 << 29)),
    CASE("cd", L2_64, MOV_CR0_RAX, TO(G_CR0 | 1 << 30)),
    CASE("et ignored", L2_64, MOV_CR0_RAX, TO(G_CR0 & ~0x10ul)),
    CASE("reserved bit 20", L2_64, MOV_CR0_RAX, TO(G_CR0 | 1 << 20)),
    CASE("ring 3 before exit", L2_64_R3, MOV_CR0_RAX, MASK0(~0ul, 0)),
    CASE("v86 before exit", L2_V86, MOV_CR0_RAX, MASK0(~0ul, 0)),
};

/* CLTS exits when TS is 1 in mask and shadow. LMSW exits when it would set PE, or change MP, EM
 * or TS, against the shadow of a masked bit. SDM 3C 26.1.3 "Instructions That Cause VM Exits
 * Conditionally" */
static const struct l2_case task_switched[] = {
    CASE("clts free", L2_64, CLTS, OR(GUEST_CR0, CR0_TS)),
    CASE("clts mask and shadow", L2_64, CLTS, OR(GUEST_CR0, CR0_TS), MASK0(CR0_TS, CR0_TS)),
    CASE("clts mask, shadow clear", L2_64, CLTS, OR(GUEST_CR0, CR0_TS), MASK0(CR0_TS, 0)),
    CASE("clts no mask, shadow set", L2_64, CLTS, OR(GUEST_CR0, CR0_TS), MASK0(0, CR0_TS)),
    CASE("clts ring 3", L2_64_R3, CLTS, MASK0(CR0_TS, CR0_TS)),
    CASE("lmsw ts", L2_64, LMSW_AX, MASK0(CR0_TS, 0), TO(9)),
    CASE("lmsw ts same as shadow", L2_64, LMSW_AX, MASK0(CR0_TS, CR0_TS), TO(9)),
    CASE("lmsw mp mem", L2_64, LMSW_MEM, MASK0(2, 0), MEM(P_DATA, 0, 0xfff3)),
    CASE("lmsw pe cannot clear", L2_64, LMSW_AX, MASK0(CR0_PE, CR0_PE), TO(0)),
    CASE("lmsw pe shadow clear", L2_64, LMSW_AX, MASK0(CR0_PE, 0), TO(1)),
    CASE("lmsw em free", L2_64, LMSW_AX, TO(4)),
    CASE("lmsw other bits", L2_64, LMSW_AX, MASK0(0xfff0, 0), TO(0xfff1)),
    CASE("lmsw ring 3", L2_64_R3, LMSW_AX, MASK0(0xf, 0), TO(0xf)),
    CASE("lmsw v86", L2_V86, LMSW_AX, MASK0(0xf, 0), TO(0xf)),
};

/* A masked bit that differs from its shadow exits with reason 28. Else a reserved bit, or a bit
 * that VMX fixes, is #GP(0). SDM 3C 26.3 "Changes to Instruction Behavior in VMX Non-Root
 * Operation" */
static const struct l2_case cr4[] = {
    CASE("read mask some", L2_64, MOV_RBX_CR4, MASK4(CR4_VMXE, 0)),
    CASE("write hidden vmxe", L2_64, MOV_CR4_RAX, MASK4(CR4_VMXE, 0), TO(CR4_PAE | 4)),
    CASE("write vmxe over shadow", L2_64, MOV_CR4_RAX, MASK4(CR4_VMXE, 0), TO(G_CR4)),
    CASE("write free bit", L2_64, MOV_CR4_RAX, TO(G_CR4 | 0x600)),
    CASE("vmxe off", L2_64, MOV_CR4_RAX, TO(CR4_PAE)),
    CASE("pae off", L2_64, MOV_CR4_RAX, TO(CR4_VMXE)),
    CASE("pae off", L2_PAE, MOV_CR4_RAX, TO(CR4_VMXE)),
    CASE("reserved bit 31", L2_64, MOV_CR4_RAX, TO(G_CR4 | 1ul << 31)),
    CASE("smxe", L2_64, MOV_CR4_RAX, TO(G_CR4 | 1 << 14)),
    CASE("reserved masked exits first", L2_64, MOV_CR4_RAX, MASK4(1ul << 31, 0),
         TO(G_CR4 | 1ul << 31)),
    CASE("pcide", L2_64, MOV_CR4_RAX, TO(G_CR4 | 1 << 17)),
    CASE("pcide", L2_32, MOV_CR4_RAX, TO(CR4_VMXE | 1 << 17)),
    CASE("ring 3", L2_64_R3, MOV_CR4_RAX, MASK4(~0ul, 0)),
};

/* With CR3-load exiting a MOV exits unless its value is one of the counted targets. Without it a
 * reserved bit is #GP(0). More targets than the processor has is VMfail 7. SDM 3C 26.1.3
 * "Instructions That Cause VM Exits Conditionally", SDM 3C 27.2.1.1 "VM-Execution Control
 * Fields" */
static const struct l2_case cr3[] = {
    CASE("read free", L2_64, MOV_RBX_CR3),
    CASE("read exits", L2_64, MOV_RBX_CR3, OR(PROC_CTL, PROC_CR3_STORE)),
    CASE("write free", L2_64, MOV_CR3_RAX, TO(ARENA_AT(PG_L2_TABLES) | 8)),
    CASE("write exits", L2_64, MOV_CR3_RAX, OR(PROC_CTL, PROC_CR3_LOAD),
         TO(ARENA_AT(PG_L2_TABLES))),
    CASE("target 0", L2_64, MOV_CR3_RAX, OR(PROC_CTL, PROC_CR3_LOAD), TO(ARENA_AT(PG_L2_TABLES)),
         SET(CR3_TARGET_COUNT, 1), SET(CR3_TARGET0, ARENA_AT(PG_L2_TABLES))),
    CASE("target 0 not counted", L2_64, MOV_CR3_RAX, OR(PROC_CTL, PROC_CR3_LOAD),
         TO(ARENA_AT(PG_L2_TABLES)), SET(CR3_TARGET_COUNT, 0),
         SET(CR3_TARGET0, ARENA_AT(PG_L2_TABLES))),
    CASE("target 3", L2_64, MOV_CR3_RAX, OR(PROC_CTL, PROC_CR3_LOAD), TO(ARENA_AT(PG_L2_TABLES)),
         SET(CR3_TARGET_COUNT, 4), SET(CR3_TARGET3, ARENA_AT(PG_L2_TABLES))),
    CASE("target 3 of 3", L2_64, MOV_CR3_RAX, OR(PROC_CTL, PROC_CR3_LOAD),
         TO(ARENA_AT(PG_L2_TABLES)), SET(CR3_TARGET_COUNT, 3),
         SET(CR3_TARGET3, ARENA_AT(PG_L2_TABLES))),
    CASE("target differs in low bits", L2_64, MOV_CR3_RAX, OR(PROC_CTL, PROC_CR3_LOAD),
         TO(ARENA_AT(PG_L2_TABLES) | 8), SET(CR3_TARGET_COUNT, 1),
         SET(CR3_TARGET0, ARENA_AT(PG_L2_TABLES))),
    CASE("target high half in 32-bit", L2_32, MOV_CR3_RAX, OR(PROC_CTL, PROC_CR3_LOAD),
         TO(ARENA_AT(PG_L2_TABLES + 5)), SET(CR3_TARGET_COUNT, 1),
         SET(CR3_TARGET0, 1ul << 32 | ARENA_AT(PG_L2_TABLES + 5))),
    CASE("targets 5", L2_64, "", SET(CR3_TARGET_COUNT, 5)),
    CASE("reserved bit 40", L2_64, MOV_CR3_RAX, TO(1ul << 40 | ARENA_AT(PG_L2_TABLES))),
    CASE("reserved bit 63", L2_64, MOV_CR3_RAX, TO(1ul << 63 | ARENA_AT(PG_L2_TABLES))),
    CASE("reserved exits first", L2_64, MOV_CR3_RAX, OR(PROC_CTL, PROC_CR3_LOAD), TO(1ul << 63)),
    CASE("pae pdpte reserved", L2_PAE, MOV_CR3_RAX, TO(ARENA_AT(PG_FREE)), PHYS(PG_FREE, 8, 0x1e7)),
    CASE("pae reload", L2_PAE, MOV_CR3_RAX, TO(ARENA_AT(PG_L2_TABLES + 4) | 0x18)),
    CASE("read ring 3", L2_64_R3, MOV_RBX_CR3, OR(PROC_CTL, PROC_CR3_STORE)),
};

/* With its control a MOV of CR8 exits with reason 28, also where a reserved bit would be #GP(0).
 * A fault of the ring comes first. CR1 and CR7 are #UD. SDM 3C 26.1.1 "Relative Priority of
 * Faults and VM Exits" */
static const struct l2_case cr8[] = {
    CASE("read exits", L2_64, MOV_RBX_CR8, OR(PROC_CTL, PROC_CR8_STORE)),
    CASE("write exits", L2_64, MOV_CR8_RAX, OR(PROC_CTL, PROC_CR8_LOAD), TO(5)),
    CASE("write reserved exits", L2_64, MOV_CR8_RAX, OR(PROC_CTL, PROC_CR8_LOAD), TO(0x10)),
    CASE("write reserved", L2_64, MOV_CR8_RAX, TO(0x10)),
    CASE("write and read free", L2_64, MOV_CR8_RAX MOV_RBX_CR8, TO(0)),
    CASE("write from r10", L2_64, "\x45\x0f\x22\xc2", OR(PROC_CTL, PROC_CR8_LOAD)),
    CASE("ring 3", L2_64_R3, MOV_RBX_CR8, OR(PROC_CTL, PROC_CR8_STORE)),
    CASE("cr1 is undefined", L2_64, "\x0f\x20\xcb"),
    CASE("cr7 is undefined", L2_64, "\x0f\x22\xf8"),
};

/* One bit at a time: guest, shadow and written value chosen so that a wrong merge shows. A
 * masked bit reads as its shadow, any other bit as it was written. A masked bit that is written
 * unlike its shadow exits. SDM 3C 26.3 "Changes to Instruction Behavior in VMX Non-Root
 * Operation" */
static void sweep(const char *name, const char *code, int reg, u64 free_bits)
{
    char text[32];

    for (u64 bit = 0; bit < 32; bit++) {
        for (unsigned how = 0; how < 8; how++) {
            bool mask = how & 1, shadow = how & 2, written = how & 4;

            if (!(free_bits >> bit & 1))
                continue;
            l2_world(L2_64);
            l2_code(code, 6);
            l2.f[reg == 0 ? VI_CR0_MASK : VI_CR4_MASK] = (u64)mask << bit;
            l2.f[reg == 0 ? VI_CR0_SHADOW : VI_CR4_SHADOW] = (u64)shadow << bit;
            l2.gpr[RAX] = ((reg == 0 ? G_CR0 : G_CR4) & ~(1ul << bit)) | (u64)written << bit;
            l2_write();
            l2_enter(false);
            gt_format(text, sizeof text, "%s_bit%lu_mask%d_shadow%d_write%d", name, bit, mask,
                      shadow, written);
            l2_report(text);
        }
    }
}

#define RUN(TABLE) l2_cases(TABLE, sizeof TABLE / sizeof *TABLE)

TEST_MAIN(vmx_cr)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        RUN(cr0);
        RUN(task_switched);
        RUN(cr4);
        RUN(cr3);
        RUN(cr8);
        sweep("cr0", MOV_CR0_RAX MOV_RBX_CR0, 0, 0x6005003f);
        sweep("cr4", MOV_CR4_RAX MOV_RBX_CR4, 4, 0x27ff);
    }
    vmx_end();
}
