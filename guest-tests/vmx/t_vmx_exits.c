/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every instruction that can leave L2, with its control off and on, in the modes where it differs:
 * basic reason, qualification, length, instruction information, and that nothing else moved.
 * I/O is in t_vmx_io.c, MSRs in t_vmx_msr.c, control registers in t_vmx_cr.c.
 *
 * Right: An instruction exits always, or when its control is 1, and tells length and information
 * where the SDM defines them; else it does its work. SDM 3C 26.1 "Instructions That Cause VM
 * Exits", SDM 3C 28.2.5 "Information for VM Exits Due to Instruction Execution"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_l2.h"

/* SIB and disp32 of [P_DATA], behind a ModRM of /r with r/m 4 */
#define ABS64 "\x25\x00\x10\x01\x00"
#define ABS32 "\x00\x10\x01\x00" /* disp32, behind a ModRM with r/m 5 */

/* CPUID, INVD and XSETBV exit whatever the controls are. #UD comes first, and so does #GP(0) of
 * INVD above ring 0. RSM is #UD outside SMM. SDM 3C 26.1 "Instructions That Cause VM Exits" */
static const struct l2_case always[] = {
    CASE("cpuid", L2_64, "\x0f\xa2"),
    CASE("cpuid", L2_64_R3, "\x0f\xa2"),
    CASE("cpuid", L2_COMPAT, "\x0f\xa2"),
    CASE("cpuid", L2_COMPAT_R3, "\x0f\xa2"),
    CASE("cpuid", L2_PAE, "\x0f\xa2"),
    CASE("cpuid", L2_32, "\x0f\xa2"),
    CASE("cpuid", L2_32_R3, "\x0f\xa2"),
    CASE("cpuid", L2_16, "\x0f\xa2"),
    CASE("cpuid", L2_V86, "\x0f\xa2"),
    CASE("cpuid prefixes", L2_64, "\x66\xf2\x48\x0f\xa2"),
    CASE("lock cpuid", L2_64, "\xf0\x0f\xa2"),
    CASE("invd", L2_64, "\x0f\x08"),
    CASE("invd", L2_64_R3, "\x0f\x08"),
    CASE("invd", L2_V86, "\x0f\x08"),
    CASE("getsec", L2_64, "\x0f\x37"),
    CASE("xsetbv without osxsave", L2_64, "\x0f\x01\xd1"),
    CASE("xsetbv", L2_64, "\x0f\x01\xd1", OR(GUEST_CR4, 1 << 18), REG(RCX, 0), REG(RAX, 1),
         REG(RDX, 0)),
    CASE("xsetbv bad register", L2_64, "\x0f\x01\xd1", OR(GUEST_CR4, 1 << 18), REG(RCX, 9)),
    CASE("xsetbv", L2_64_R3, "\x0f\x01\xd1", OR(GUEST_CR4, 1 << 18), REG(RCX, 0)),
    CASE("rsm", L2_64, "\x0f\xaa"),
};

/* Each exits before its operand is read. In virtual-8086 and compatibility mode all but VMCALL
 * are #UD instead. SDM 3C 31.3 "VMX Instructions" */
static const struct l2_case vmx_insns[] = {
    CASE("vmcall", L2_64, "\x0f\x01\xc1"),
    CASE("vmcall", L2_64_R3, "\x0f\x01\xc1"),
    CASE("vmcall", L2_COMPAT, "\x0f\x01\xc1"),
    CASE("vmcall", L2_V86, "\x0f\x01\xc1"),
    CASE("vmlaunch", L2_64, "\x0f\x01\xc2"),
    CASE("vmlaunch", L2_64_R3, "\x0f\x01\xc2"),
    CASE("vmlaunch", L2_COMPAT, "\x0f\x01\xc2"),
    CASE("vmlaunch", L2_V86, "\x0f\x01\xc2"),
    CASE("vmresume", L2_64, "\x0f\x01\xc3"),
    CASE("vmxoff", L2_64, "\x0f\x01\xc4"),
    CASE("vmxoff", L2_32, "\x0f\x01\xc4"),
    CASE("vmclear abs", L2_64, "\x66\x0f\xc7\x34" ABS64),
    CASE("vmclear rbp disp8", L2_64, "\x66\x0f\xc7\x75\x10", REG(RBP, L2_AT(P_DATA))),
    CASE("vmclear r8 r9*8 disp32", L2_64, "\x66\x43\x0f\xc7\xb4\xc8\x00\x01\x00\x00",
         REG(R8, 0x11000), REG(R9, 2)),
    CASE("vmclear rip", L2_64, "\x66\x0f\xc7\x35\x00\x10\x00\x00"),
    CASE("vmclear a32 negative", L2_64, "\x67\x66\x0f\xc7\x70\xf0", REG(RAX, 0x11010)),
    CASE("vmclear fs", L2_64, "\x64\x66\x0f\xc7\x30", SET(GUEST_FS_BASE, 0x1000),
         REG(RAX, 0x10000)),
    CASE("vmclear abs", L2_32, "\x66\x0f\xc7\x35" ABS32),
    CASE("vmclear abs", L2_COMPAT, "\x66\x0f\xc7\x35" ABS32),
    CASE("vmclear a16", L2_32, "\x67\x66\x0f\xc7\x77\x08", SET(GUEST_ES_BASE, 0x11000),
         REG(RBX, 0x1000)),
    CASE("vmclear noncanonical", L2_64, "\x66\x0f\xc7\x30", REG(RAX, 0x8000000000000000)),
    CASE("vmclear past limit", L2_32, "\x66\x0f\xc7\x35" ABS32, SET(GUEST_DS_LIMIT, 0xfff),
         SET(GUEST_DS_AR, 0x4093)),
    CASE("vmclear unmapped", L2_64, "\x66\x0f\xc7\x30", REG(RAX, 0x500000)),
    CASE("vmptrld abs", L2_64, "\x0f\xc7\x34" ABS64),
    CASE("vmptrld abs", L2_64_R3, "\x0f\xc7\x34" ABS64),
    CASE("vmptrst abs", L2_64, "\x0f\xc7\x3c" ABS64),
    CASE("vmptrst stack", L2_64, "\x0f\xc7\x7c\x24\xf0"),
    CASE("vmxon abs", L2_64, "\xf3\x0f\xc7\x34" ABS64),
    CASE("vmxon abs", L2_PAE, "\xf3\x0f\xc7\x35" ABS32),
    CASE("vmread reg", L2_64, "\x0f\x78\xc8"),
    CASE("vmread reg high", L2_64, "\x45\x0f\x78\xf9"),
    CASE("vmread mem", L2_64, "\x0f\x78\x1c" ABS64),
    CASE("vmread reg", L2_32, "\x0f\x78\xc8"),
    CASE("vmread reg", L2_COMPAT, "\x0f\x78\xc8"),
    CASE("vmread reg", L2_V86, "\x0f\x78\xc8"),
    CASE("vmwrite reg", L2_64, "\x0f\x79\xd3"),
    CASE("vmwrite mem", L2_64, "\x4c\x0f\x79\x04" ABS64),
    CASE("vmwrite mem", L2_64_R3, "\x4c\x0f\x79\x04" ABS64),
};

/* With its control 1 the instruction exits. With it 0 it does its work, or is #UD where the
 * control enables it. A timer of 0 exits before the first instruction and behind an injected
 * event. SDM 3C 26.1.3 "Instructions That Cause VM Exits Conditionally", SDM 3C 26.5.1
 * "VMX-Preemption Timer" */
static const struct l2_case simple[] = {
    CASE("hlt exits", L2_64, "\xf4"),
    CASE("hlt exits", L2_64_R3, "\xf4"),
    CASE("hlt exits", L2_V86, "\xf4"),
    CASE("invlpg off", L2_64, "\x0f\x01\x3c" ABS64),
    CASE("invlpg", L2_64, "\x0f\x01\x3c" ABS64, OR(PROC_CTL, PROC_INVLPG)),
    CASE("invlpg gs", L2_64, "\x65\x0f\x01\x38", OR(PROC_CTL, PROC_INVLPG),
         SET(GUEST_GS_BASE, 0x7000), REG(RAX, 5)),
    CASE("invlpg noncanonical", L2_64, "\x0f\x01\x38", OR(PROC_CTL, PROC_INVLPG),
         REG(RAX, 0x8000000000000000)),
    CASE("invlpg", L2_64_R3, "\x0f\x01\x3c" ABS64, OR(PROC_CTL, PROC_INVLPG)),
    CASE("invlpg base", L2_32, "\x0f\x01\x3d" ABS32, OR(PROC_CTL, PROC_INVLPG),
         SET(GUEST_DS_BASE, 0xfffff000)),
    CASE("rdpmc", L2_64, "\x0f\x33", OR(PROC_CTL, PROC_RDPMC)),
    CASE("rdpmc pce off", L2_64_R3, "\x0f\x33", OR(PROC_CTL, PROC_RDPMC)),
    CASE("rdpmc pce on", L2_64_R3, "\x0f\x33", OR(PROC_CTL, PROC_RDPMC), OR(GUEST_CR4, 1 << 8)),
    CASE_F("rdtsc off", L2_64, NO_REGS, "\x0f\x31"),
    CASE("rdtsc", L2_64, "\x0f\x31", OR(PROC_CTL, PROC_RDTSC)),
    CASE("rdtsc tsd", L2_64_R3, "\x0f\x31", OR(PROC_CTL, PROC_RDTSC), OR(GUEST_CR4, 1 << 2)),
    CASE("rdtsc", L2_64_R3, "\x0f\x31", OR(PROC_CTL, PROC_RDTSC)),
    CASE("rdtscp off", L2_64, "\x0f\x01\xf9"),
    CASE("rdtscp exits but off", L2_64, "\x0f\x01\xf9", OR(PROC_CTL, PROC_RDTSC)),
    CASE("rdtscp", L2_64, "\x0f\x01\xf9", OR(PROC_CTL, PROC_RDTSC), PROC2(PROC2_RDTSCP)),
    CASE_F("rdtscp runs", L2_64, NO_REGS, "\x0f\x01\xf9", PROC2(PROC2_RDTSCP)),
    CASE("mwait", L2_64, "\x0f\x01\xc9", OR(PROC_CTL, PROC_MWAIT)),
    CASE("mwait armed", L2_64, "\x0f\x01\xc8\x0f\x01\xc9", OR(PROC_CTL, PROC_MWAIT),
         REG(RAX, L2_AT(P_DATA)), REG(RCX, 0), REG(RDX, 0)),
    CASE("mwait", L2_64_R3, "\x0f\x01\xc9", OR(PROC_CTL, PROC_MWAIT)),
    CASE("monitor", L2_64, "\x0f\x01\xc8", OR(PROC_CTL, PROC_MONITOR)),
    CASE("monitor rcx", L2_64, "\x0f\x01\xc8", OR(PROC_CTL, PROC_MONITOR), REG(RCX, 1)),
    CASE("monitor", L2_64_R3, "\x0f\x01\xc8", OR(PROC_CTL, PROC_MONITOR)),
    CASE("pause off", L2_64, "\xf3\x90"),
    CASE("pause", L2_64, "\xf3\x90", OR(PROC_CTL, PROC_PAUSE)),
    CASE("pause", L2_64_R3, "\xf3\x90", OR(PROC_CTL, PROC_PAUSE)),
    CASE("wbinvd off", L2_64, "\x0f\x09"),
    CASE("wbinvd", L2_64, "\x0f\x09", PROC2(PROC2_WBINVD)),
    CASE("wbinvd", L2_64_R3, "\x0f\x09", PROC2(PROC2_WBINVD)),
    CASE("rdrand 16", L2_64, "\x66\x0f\xc7\xf3", PROC2(PROC2_RDRAND)),
    CASE("rdrand 32", L2_64, "\x0f\xc7\xf3", PROC2(PROC2_RDRAND)),
    CASE("rdrand 64", L2_64, "\x49\x0f\xc7\xf5", PROC2(PROC2_RDRAND)),
    CASE("rdseed 16", L2_64, "\x66\x0f\xc7\xf9", PROC2(PROC2_RDSEED)),
    CASE("rdseed 64", L2_64, "\x49\x0f\xc7\xff", PROC2(PROC2_RDSEED)),
    CASE("rdseed", L2_32_R3, "\x0f\xc7\xff", PROC2(PROC2_RDSEED)),
    CASE("invpcid off", L2_64, "\x66\x0f\x38\x82\x04" ABS64),
    CASE("invpcid no invlpg exit", L2_64, "\x66\x0f\x38\x82\x04" ABS64, PROC2(PROC2_INVPCID),
         REG(RAX, 2)),
    CASE("invpcid", L2_64, "\x66\x0f\x38\x82\x14" ABS64, PROC2(PROC2_INVPCID),
         OR(PROC_CTL, PROC_INVLPG)),
    CASE("invpcid", L2_64_R3, "\x66\x0f\x38\x82\x14" ABS64, PROC2(PROC2_INVPCID),
         OR(PROC_CTL, PROC_INVLPG)),
    CASE("invpcid", L2_32, "\x66\x0f\x38\x82\x15" ABS32, PROC2(PROC2_INVPCID),
         OR(PROC_CTL, PROC_INVLPG)),
    CASE("timer", L2_64, "\xeb\xfe", SET(PREEMPTION_TIMER, 0)),
    CASE("timer zero at hlt", L2_64, "\xf4", SET(PREEMPTION_TIMER, 0)),
    CASE("timer zero against injection", L2_64, "\x90", SET(PREEMPTION_TIMER, 0),
         INJECT(INTR_EXTERNAL | 0x40), SET(GUEST_RFLAGS, 0x202)),
};

#define DT PROC2(PROC2_DESC_TABLE)
/* With the control 1, accesses to GDTR and IDTR exit with reason 46, those to LDTR and TR with
 * reason 47. With it 0 they do their work. SDM 3C 26.1.3 "Instructions That Cause VM Exits
 * Conditionally" */
static const struct l2_case tables[] = {
    CASE("sgdt", L2_64, "\x0f\x01\x04" ABS64, DT),
    CASE("sidt", L2_64, "\x0f\x01\x0c" ABS64, DT),
    CASE("lgdt", L2_64, "\x0f\x01\x14" ABS64, DT),
    CASE("lidt", L2_64, "\x0f\x01\x1c" ABS64, DT),
    CASE("lidt rip", L2_64, "\x0f\x01\x1d\x00\x01\x00\x00", DT),
    CASE("sgdt", L2_64_R3, "\x0f\x01\x04" ABS64, DT),
    CASE("lgdt", L2_64_R3, "\x0f\x01\x14" ABS64, DT),
    CASE("sgdt", L2_32, "\x0f\x01\x05" ABS32, DT),
    CASE("lidt o16", L2_32, "\x66\x0f\x01\x1d" ABS32, DT),
    CASE("sgdt", L2_V86, "\x0f\x01\x07", DT, REG(RBX, 0x1000)),
    CASE("sldt reg", L2_64, "\x0f\x00\xc3", DT),
    CASE("sldt reg64", L2_64, "\x49\x0f\x00\xc1", DT),
    CASE("sldt mem", L2_64, "\x0f\x00\x04" ABS64, DT),
    CASE("str reg", L2_64, "\x0f\x00\xcb", DT),
    CASE("str mem", L2_32, "\x0f\x00\x0d" ABS32, DT),
    CASE("lldt reg", L2_64, "\x0f\x00\xd2", DT),
    CASE("lldt mem", L2_64, "\x0f\x00\x14" ABS64, DT),
    CASE("ltr reg", L2_64, "\x0f\x00\xd8", DT),
    CASE("ltr reg", L2_64_R3, "\x0f\x00\xd8", DT),
    CASE("sldt", L2_V86, "\x0f\x00\xc0", DT),
    CASE("sgdt off", L2_64, "\x0f\x01\x04" ABS64),
    CASE("sldt off", L2_64, "\x0f\x00\xc3"),
    CASE("str off", L2_64, "\x0f\x00\xc8"),
    CASE("smsw never exits", L2_64, "\x0f\x01\xe0", DT),
};

/* Bochs counts PAUSEs in its own time: only that an exit comes, and that ring 3 never gives one.
 * PAUSE exiting comes before PAUSE-loop exiting. SDM 3C 26.1.3 "Instructions That Cause VM Exits
 * Conditionally" */
static const struct l2_case ple[] = {
    CASE("loop", L2_64, "\xf3\x90\xeb\xfc", PROC2(PROC2_PLE), SET(PLE_GAP, 1000),
         SET(PLE_WINDOW, 100)),
    CASE("ring 3", L2_64_R3, "\xf3\x90\xf3\x90", PROC2(PROC2_PLE), SET(PLE_GAP, 1000),
         SET(PLE_WINDOW, 100)),
    CASE("pause exiting wins", L2_64_R3, "\xf3\x90", PROC2(PROC2_PLE), OR(PROC_CTL, PROC_PAUSE)),
};

#define RUN(TABLE) l2_cases(TABLE, sizeof TABLE / sizeof *TABLE)

TEST_MAIN(vmx_exits)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        RUN(always);
        RUN(vmx_insns);
        RUN(simple);
        RUN(tables);
        RUN(ple);
    }
    vmx_end();
}
