/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The TPR shadow, its threshold, the APIC-access page and TSC offsetting. No absolute time-stamp
 * value is printed, only what the offset makes of a difference.
 *
 * Right: L2 reads and writes VTPR for CR8; a value below the threshold exits with reason 43. SDM
 * 3C 30.3 "Virtualizing CR8-Based TPR Accesses". An access to the APIC-access page exits with
 * reason 44, RDTSC adds the offset. SDM 3C 26.3 "Changes to Instruction Behavior in VMX Non-Root
 * Operation"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

#define SHADOW          OR(PROC_CTL, PROC_TPR_SHADOW)
#define ACCESS          PROC2(PROC2_APIC_ACCESS)
#define VTPR(V)         PHYS(PG_VAPIC, 0x80, V)
#define MOV_CR8_RAX     "\x44\x0f\x22\xc0"
#define MOV_RBX_CR8     "\x44\x0f\x20\xc3"
#define APIC_AT(OFFSET) (L2_AT(P_APIC) + (OFFSET))
#define READ            "\x8b\x03" /* mov eax, [rbx] */
#define WRITE           "\x89\x03" /* mov [rbx], eax */
#define AT(OFFSET)      REG(RBX, APIC_AT(OFFSET))

/* A MOV of CR8 reads and writes bits 7:4 of VTPR, and a write below the threshold exits with
 * reason 43. An entry with VTPR below the threshold is VMfail 7, but with the APIC-access page
 * it is entered and exits with 43. A MOV that exits by its own control leaves VTPR alone. SDM 3C
 * 30.3 "Virtualizing CR8-Based TPR Accesses", SDM 3C 27.2.1.1 "VM-Execution Control Fields" */
static const struct l2_case shadow[] = {
    CASE("read 0", L2_64, MOV_RBX_CR8, SHADOW, VTPR(0)),
    CASE("read 9", L2_64, MOV_RBX_CR8, SHADOW, VTPR(0x9f)),
    CASE("write then read", L2_64, MOV_CR8_RAX MOV_RBX_CR8, SHADOW, VTPR(0), REG(RAX, 6)),
    CASE("write keeps the rest", L2_64, MOV_CR8_RAX, SHADOW, VTPR(0xffffffff12345678),
         REG(RAX, 0xa)),
    CASE("write reserved", L2_64, MOV_CR8_RAX, SHADOW, VTPR(0x50), REG(RAX, 0x10)),
    CASE("write below threshold", L2_64, MOV_CR8_RAX, SHADOW, VTPR(0x50), REG(RAX, 3),
         SET(TPR_THRESHOLD, 4)),
    CASE("write equal threshold", L2_64, MOV_CR8_RAX, SHADOW, VTPR(0x50), REG(RAX, 4),
         SET(TPR_THRESHOLD, 4)),
    CASE("write 0 threshold 0", L2_64, MOV_CR8_RAX, SHADOW, VTPR(0x50), REG(RAX, 0)),
    CASE("threshold above at entry", L2_64, "", SHADOW, VTPR(0x30), SET(TPR_THRESHOLD, 4)),
    CASE("threshold above with access page", L2_64, "", SHADOW, ACCESS, VTPR(0x30),
         SET(TPR_THRESHOLD, 4)),
    CASE("threshold equal", L2_64, "", SHADOW, VTPR(0x4f), SET(TPR_THRESHOLD, 4)),
    CASE("cr8 exiting wins", L2_64, MOV_CR8_RAX, SHADOW, OR(PROC_CTL, PROC_CR8_LOAD), VTPR(0x50),
         REG(RAX, 0)),
    CASE("cr8 store exiting wins", L2_64, MOV_RBX_CR8, SHADOW, OR(PROC_CTL, PROC_CR8_STORE)),
};

/* An access exits with reason 44 and tells its offset and kind. With the TPR shadow an access of
 * at most 32 bits at offset 0x80 goes to the virtual-APIC page instead. SDM 3C 30.1 "Virtual
 * APIC State" */
static const struct l2_case access[] = {
    CASE("read id", L2_64, READ, ACCESS, AT(0x20)),
    CASE("read tpr", L2_64, READ, ACCESS, AT(0x80)),
    CASE("read end", L2_64, READ, ACCESS, AT(0xffc)),
    CASE("write eoi", L2_64, WRITE, ACCESS, AT(0xb0)),
    CASE("write byte", L2_64, "\x88\x03", ACCESS, AT(0x81)),
    CASE("write qword", L2_64, "\x48\x89\x03", ACCESS, AT(0x80)),
    CASE("read modify write", L2_64, "\x01\x03", ACCESS, AT(0x80)),
    CASE("push", L2_64, "\x50", ACCESS, SET(GUEST_RSP, APIC_AT(0x108))),
    CASE("pop", L2_64, "\x58", ACCESS, SET(GUEST_RSP, APIC_AT(0x100))),
    CASE("movs to", L2_64, "\xa4", ACCESS, REG(RSI, L2_AT(P_DATA)), REG(RDI, APIC_AT(0x300))),
    CASE("movs from", L2_64, "\xa4", ACCESS, REG(RDI, L2_AT(P_DATA)), REG(RSI, APIC_AT(0x300))),
    /* CAVEAT(bochs-apic-fetch): a fetch from the page ends the emulator. */
    CASE("read", L2_32, READ, ACCESS, AT(0x30)),
    CASE("read", L2_64_R3, READ, ACCESS, AT(0x30)),
    CASE("read", L2_V86, "\x8b\x07", ACCESS, SET(GUEST_DS_BASE, 0x20000), SET(GUEST_DS_SEL, 0x2000),
         REG(RBX, 0x30)),
    CASE("vmptrld operand exits as vmptrld", L2_64, "\x0f\xc7\x33", ACCESS, AT(0x40)),
    CASE("lgdt operand", L2_64, "\x0f\x01\x13", ACCESS, AT(0x40)),
    CASE("invlpg is no access", L2_64, "\x0f\x01\x3b", ACCESS, AT(0x40)),
    CASE("off", L2_64, READ, AT(0x40)),
    CASE("shadow read tpr", L2_64, READ, ACCESS, SHADOW, AT(0x80), VTPR(0x123456a0)),
    CASE("shadow read tpr byte", L2_64, "\x8a\x03", ACCESS, SHADOW, AT(0x80), VTPR(0x123456a0)),
    CASE("shadow read tpr inside", L2_64, "\x8a\x03", ACCESS, SHADOW, AT(0x81), VTPR(0x123456a0)),
    CASE("shadow read tpr qword", L2_64, "\x48\x8b\x03", ACCESS, SHADOW, AT(0x80),
         VTPR(0x123456a0)),
    CASE("shadow read below", L2_64, READ, ACCESS, SHADOW, AT(0x7e)),
    CASE("shadow read id", L2_64, READ, ACCESS, SHADOW, AT(0x20)),
    CASE("shadow write tpr", L2_64, WRITE, ACCESS, SHADOW, AT(0x80), VTPR(0), REG(RAX, 0x70)),
    CASE("shadow write tpr below threshold", L2_64, WRITE, ACCESS, SHADOW, AT(0x80), VTPR(0x90),
         REG(RAX, 0x20), SET(TPR_THRESHOLD, 3)),
    CASE("shadow write eoi", L2_64, WRITE, ACCESS, SHADOW, AT(0xb0)),
};

static void run(const struct l2_case *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        SetMem(arena(PG_VAPIC), 8192, 0);
        l2_case_run(&c[i]);
        gt_line("vtpr.%s: %lx", l2_one_word(c[i].name),
                *(u64 *)arena(PG_VAPIC + 0) | ((u64 *)arena(PG_VAPIC))[16]);
    }
}

/* L2 reads the TSC; L1 subtracts its own reading from before. With the offset far larger than any
 * run, the difference divided by it is exact. */
static void tsc(const char *name, u32 controls, u64 offset, const char *code, size_t len)
{
    u64 before, got;

    l2_world(L2_64);
    l2_code(code, len);
    l2.f[VI_PROC_CTL] |= controls | PROC_SECONDARY;
    l2.f[VI_PROC2_CTL] |= PROC2_RDTSCP;
    l2.f[VI_TSC_OFFSET] = offset;
    l2.gpr[RCX] = 0x10; /* IA32_TIME_STAMP_COUNTER, for RDMSR */
    SetMem(arena(PG_MSR_BITMAP), 4096, 0);
    l2_write();
    before = gt_rdtsc();
    l2_enter(false);
    got = (l2_seen_gpr[RDX] << 32 | (l2_seen_gpr[RAX] & 0xffffffff)) - before;
    gt_line("tsc.%s: reason %lu offset+%s", name, l2_seen[VI_EXIT_REASON],
            got - offset < 1ul << 40 ? "elapsed"
            : got < 1ul << 40        ? "none"
                                     : "wrong");
}

/* Each way to read the TSC adds the offset while TSC offsetting is 1, and nothing while it is 0.
 * SDM 3C 26.3 "Changes to Instruction Behavior in VMX Non-Root Operation" */
static void offsets(void)
{
    static const u64 offset[] = {1ul << 50, 1ul << 63, ~0ul << 44, 0x123456789abcdef0};

    for (unsigned i = 0; i < 4; i++) {
        tsc("rdtsc", PROC_TSC_OFFSET, offset[i], "\x0f\x31", 2);
        tsc("rdtscp", PROC_TSC_OFFSET, offset[i], "\x0f\x01\xf9", 3);
        tsc("rdmsr", PROC_TSC_OFFSET | PROC_MSR_BITMAPS, offset[i], "\x0f\x32", 2);
        tsc("not_used", 0, offset[i], "\x0f\x31", 2);
    }
}

TEST_MAIN(vmx_apic)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        run(shadow, sizeof shadow / sizeof *shadow);
        run(access, sizeof access / sizeof *access);
        offsets();
    }
    vmx_end();
}
