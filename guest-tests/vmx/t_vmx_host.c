/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a VM exit loads into L1 and what it leaves alone: control registers, segments with the
 * bases and limits the SDM fixes, descriptor tables, DR7, flags, EFER, PAT, SYSENTER, and the
 * general registers.
 *
 * Right: CR0, CR3, CR4, RIP, RSP and the MSRs with a control come from the VMCS; bits that no exit
 * loads stay; segments, DR7 and RFLAGS take the values that the SDM fixes. SDM 3C 28.5 "Loading
 * Host State"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

#define H(NAME, ...) CASE(NAME, L2_64, "", __VA_ARGS__)

static const struct l2_case cases[] = {
    H("plain"),
    CASE("from 32-bit", L2_32, ""),
    CASE("from v86", L2_V86, ""),
    CASE("from ring 3", L2_64_R3, ""),
    CASE("from compat", L2_COMPAT, ""),
    H("segments null", SET(HOST_ES_SEL, 0), SET(HOST_DS_SEL, 0), SET(HOST_FS_SEL, 0),
      SET(HOST_GS_SEL, 0), SET(HOST_SS_SEL, 0)),
    H("segments odd", SET(HOST_ES_SEL, 0x38), SET(HOST_DS_SEL, 0xfff8), SET(HOST_FS_SEL, 0x68),
      SET(HOST_SS_SEL, 0x58)),
    H("cs beyond the table", SET(HOST_CS_SEL, 0xfff8)),
    H("tr beyond the table", SET(HOST_TR_SEL, 0xfff8), SET(HOST_TR_BASE, 0x1234)),
    H("fs gs bases", SET(HOST_FS_BASE, 0x123456789abc), SET(HOST_GS_BASE, 0xffff800000001234)),
    H("fs gs bases null", SET(HOST_FS_SEL, 0), SET(HOST_GS_SEL, 0), SET(HOST_FS_BASE, 0x111),
      SET(HOST_GS_BASE, 0x222)),
    H("tables", SET(HOST_GDTR_BASE, 0x123456789000), SET(HOST_IDTR_BASE, 0xffff800000000000)),
    H("guest tables limits", SET(GUEST_GDTR_LIMIT, 0x7f), SET(GUEST_IDTR_LIMIT, 0x3f)),
    /* CAVEAT(bochs-sysenter-cs) */
    H("sysenter", SET(HOST_SYSENTER_CS, 0x12345678), SET(HOST_SYSENTER_ESP, 0x7fffffffffff),
      SET(HOST_SYSENTER_EIP, 0xffff800000000000)),
    H("cr0 ts mp am", OR(HOST_CR0, CR0_TS | 2 | 1 << 18)),
    H("cr0 wp off", CLEAR(HOST_CR0, CR0_WP)),
    H("cr0 cd nw host", OR(HOST_CR0, 3 << 29)),
    H("cr0 cd guest", OR(GUEST_CR0, 1 << 30)),
    H("cr0 et reserved", CLEAR(HOST_CR0, 0x10)),
    H("cr0 bits 17 6", OR(HOST_CR0, 1 << 17 | 1 << 6)),
    H("cr4 more", OR(HOST_CR4, 0x8 | 0x4 | 0x40)),
    H("cr4 pcide", OR(HOST_CR4, 1 << 17)),
    H("cr3 bits 3 4", OR(HOST_CR3, 0x18)),
    H("efer sce off", CLEAR(HOST_EFER, 1)),
    H("efer nxe off", CLEAR(HOST_EFER, EFER_NXE)),
    H("efer not loaded", CLEAR(EXIT_CTL, EXIT_LOAD_EFER)),
    CASE("efer not loaded from 32-bit", L2_32, "", CLEAR(EXIT_CTL, EXIT_LOAD_EFER)),
    H("efer not saved", CLEAR(EXIT_CTL, EXIT_SAVE_EFER), OR(GUEST_EFER, 1)),
    H("pat other", SET(HOST_PAT, 0x0600070406000704)),
    H("pat not loaded", CLEAR(EXIT_CTL, EXIT_LOAD_PAT), SET(GUEST_PAT, 0x0606060606060606)),
    H("pat not saved", CLEAR(EXIT_CTL, EXIT_SAVE_PAT), SET(GUEST_PAT, 0x0606060606060606)),
    H("pat kept by entry", CLEAR(ENTRY_CTL, ENTRY_LOAD_PAT), CLEAR(EXIT_CTL, EXIT_LOAD_PAT)),
    H("dr7 of guest", SET(GUEST_DR7, 0x455)),
    H("flags of guest", SET(GUEST_RFLAGS, 0x200ed7)),
    H("ac of guest", SET(GUEST_RFLAGS, 0x40002)),
    H("rsp", SET(HOST_RSP, 0x123456789abcdef0)),
    H("failed entry loads it too", SET(GUEST_RFLAGS, 0), SET(HOST_FS_BASE, 0x777),
      SET(HOST_SYSENTER_CS, 0x888), OR(HOST_CR0, CR0_TS)),
    H("vmfail loads nothing", SET(PIN_CTL, 0), SET(HOST_FS_BASE, 0x777)),
    H("registers pass", REG(RAX, ~0ul), REG(R8, 0x8888888888888888), REG(R15, 0xffff),
      REG(RBP, 0x1234)),
    CASE("registers from 32-bit", L2_32, "\x31\xc0\x48", REG(RAX, ~0ul), REG(RCX, ~0ul),
         REG(R9, 0x9999999999999999)),
    H("ia32e bit follows", CLEAR(ENTRY_CTL, ENTRY_IA32E), SET(GUEST_EFER, 0)),
};

static u64 limit_of(u16 sel)
{
    u64 limit = 0;

    __asm__ volatile("lsl %1, %0" : "+r"(limit) : "r"((u64)sel) : "cc");
    return limit;
}

/* Everything that differs from L1's own state, as "name value". */
static void show(const char *name, const struct l1_state *own)
{
    static const char *const sel[8] = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};
    const struct l1_state *s = &l2_seen_l1;
    char text[300];
    size_t n = gt_format(text, sizeof text, "flags %lx dr7 %lx", l2_seen_rflags, s->dr7);

#define DIFF(FIELD)             \
                                \
    if (s->FIELD != own->FIELD) \
    n += gt_format(text + n, sizeof text - n, " " #FIELD " %lx", s->FIELD)
    for (unsigned i = 0; i < 8; i++) {
        if (s->sel[i] != own->sel[i])
            n += gt_format(text + n, sizeof text - n, " %s %lx", sel[i], s->sel[i]);
    }
    DIFF(cr0);
    DIFF(cr3);
    DIFF(cr4);
    DIFF(fs_base);
    DIFF(gs_base);
    DIFF(gdtr_base);
    DIFF(gdtr_limit);
    DIFF(idtr_base);
    DIFF(idtr_limit);
    DIFF(efer);
    DIFF(pat);
    DIFF(sysenter_cs);
    DIFF(sysenter_esp);
    DIFF(sysenter_eip);
#undef DIFF
    gt_line("host.%s: %s rsp %lx", l2_one_word(name), text, l2_seen_gpr[RSP]);
}

/* NMI blocking, MOV-SS blocking and pending debug traps of L2 do not follow into L1. SDM 3C
 * 28.5.5 "Updating Non-Register State" */
static void blocking(void)
{
    static const struct l2_case behind_mov_ss =
        CASE("behind mov ss", L2_64, "\x8e\xd0\x0f\xa2", REG(RAX, SEL_DATA));
    static const struct l2_case with_tf =
        CASE("with tf", L2_64, "\x0f\xa2", OR(GUEST_RFLAGS, FLAG_TF));
    struct l1_frame f;

    l2_case_run(&behind_mov_ss);
    l1_frame_init(&f);
    l1_run(&f, "\x90", 1);
    gt_line("blocking.mov_ss: then L1 %s", l1_result());
    l2_case_run(&with_tf);
    l1_frame_init(&f);
    l1_run(&f, "\x90", 1);
    gt_line("blocking.tf: then L1 %s", l1_result());
}

/* CPUID's OSXSAVE follows CR4 of who executes CPUID: L2 under its own, L1 under what the exit
 * loaded. SDM 2A 3.3 "Instructions (A-L)" */
static void osxsave(void)
{
    enum { CR4_OSXSAVE = 1 << 18, EXITS = 4 };

    for (unsigned i = 0; i < 4; i++) {
        u64 cr4[EXITS], shown[EXITS];

        l2_world(L2_64);
        l2_code("", 0);
        l2.f[VI_HOST_CR4] &= ~(u64)CR4_OSXSAVE;
        l2.f[VI_HOST_CR4] |= i & 1 ? CR4_OSXSAVE : 0;
        l2.f[VI_GUEST_CR4] |= i & 2 ? CR4_OSXSAVE : 0;
        l2_write();
        l2_enter(false);
        for (unsigned k = 0; k < EXITS; k++) {
            l2_again(l2.f[VI_GUEST_RIP]);
            cr4[k] = gt_read_cr4() >> 18 & 1;
            shown[k] = gt_cpuid(1, 0).ecx >> 27 & 1;
            if (k == 1)
                gt_write_cr4(gt_read_cr4() ^ CR4_OSXSAVE); /* the next exit loads it again */
        }
        l1_state_restore();
        gt_line("osxsave.host %u guest %u: cr4 %lx%lx%lx%lx cpuid %lx%lx%lx%lx", i & 1, i >> 1,
                cr4[0], cr4[1], cr4[2], cr4[3], shown[0], shown[1], shown[2], shown[3]);
    }
}

TEST_MAIN(vmx_host)
{
    struct l1_state own;

    vmx_begin();
    if (vmx_on()) {
        l2_init();
        l1_state_get(&own);
        gt_line("own: cr0 %lx cr4 %lx efer %lx limit of es %lx", own.cr0, own.cr4, own.efer,
                limit_of(SEL_DATA));
        for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
            l2_seen_l1 = own;
            l2_case_run(&cases[i]);
            show(cases[i].name, &own);
        }
        blocking();
        osxsave();
    }
    vmx_end();
}
