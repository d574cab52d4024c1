/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMX from a 32-bit L1 (legacy protected mode, PAE paging and 32-bit paging): the same
 * instructions with 32-bit operands and 16- and 32-bit addressing, segment limits, 64-bit fields
 * in halves, and L2s with a 32-bit host. One run of vmx_pm32.asm does a list of steps; named steps
 * make lines.
 *
 * Right: Operands have 32 bits, and the upper half of a 64-bit field is reached by the high
 * encoding alone. SDM 3C 31.3 "VMX Instructions"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_l2.h"
#include "guest-tests/lib/vmx_pm32.h"

enum {
    PG_PDPT = PG_FREE,
    PG_IDT,
    PG_STEPS, /* eight pages */
    PG_CODE = PG_STEPS + 8,
    PG_STACK = PG_CODE + 2,
    PG_PD32, /* 32-bit paging: 4 MiB pages */
    PG_PT32, /* and a table with the rights of L1_SPECIAL's */
    PSE36_AT = 0xd0000000u,
    PAE_OFF_PSE_ON = 0x30,
    LEAF = 0xe7, /* present, writable, user, accessed, dirty, large */
    VEC_EXIT = 0x100,
    VEC_RET = 0x1ff,
    MAX_STEPS = 680,
};
#define STACK32 ((u32)ARENA_AT(PG_STACK + 1) - 64)
#define S       ((u32)ARENA_AT(PG_SCRATCH))

static struct pm32_step *const steps = (struct pm32_step *)ARENA_AT(PG_STEPS);
static const char *names[MAX_STEPS];
static unsigned count;
static u32 code_at;
static bool pae = true;

static void step(const char *name, const char *code, size_t len, u32 eax, u32 ecx, u32 ebx)
{
    u8 *at = (u8 *)(u64)code_at;

    CopyMem(at, (void *)code, len);
    at[len] = 0xc3;
    names[count] = name;
    steps[count++] =
        (struct pm32_step){.code = code_at, .eax = eax, .ecx = ecx, .edx = SEL_DATA, .ebx = ebx};
    code_at += (u32)len + 1;
}
#define STEP(NAME, CODE, EAX, ECX, EBX) step(NAME, CODE, sizeof(CODE) - 1, EAX, ECX, EBX)
#define VMWRITE                         "\x0f\x79\xc8" /* field ECX = EAX */
#define VMREAD                          "\x0f\x78\xc8" /* EAX = field ECX */
#define VMXON                           "\xf3\x0f\xc7\x30"
#define VMCLEAR                         "\x66\x0f\xc7\x30"
#define VMPTRLD                         "\x0f\xc7\x30"
#define VMPTRST                         "\x0f\xc7\x38"

static void print(unsigned i)
{
    const struct pm32_step *s = &steps[i];

    if (s->vector == VEC_RET)
        gt_line("%s: flags %x eax %x", l2_one_word(names[i]), s->flags & (u32)FLAGS_ARITH,
                s->out_eax);
    else if (s->vector == VEC_EXIT)
        gt_line("%s: exit", l2_one_word(names[i]));
    else
        gt_line("%s: %s(%x) rip+%x%s", l2_one_word(names[i]), gt_vector_name(s->vector), s->error,
                s->eip - s->code,
                s->vector == 14 ? s->cr2 == 0xf0003100   ? " cr2 absent"
                                  : s->cr2 == 0xf0007000 ? " cr2 next"
                                                         : " cr2 other"
                                : "");
}

/* The whole image by VMWRITE in 32-bit pieces; the steps have no names. */
static void write_image(void)
{
    for (int i = 0; i < VMX_FIELDS; i++) {
        u32 enc = vmx_field[i].enc;

        if (!l2_present[i] || VMX_KIND(enc) == KIND_READ_ONLY)
            continue;
        STEP(NULL, VMWRITE, (u32)l2.f[i], enc, 0);
        if (enc >> 13 == 1)
            STEP(NULL, VMWRITE, (u32)(l2.f[i] >> 32), enc | 1, 0);
    }
}

/* An L2 world on a 32-bit host: what differs from the 64-bit one. */
static void image(enum l2_mode mode, const char *code, size_t len)
{
    l2_world(mode);
    l2_code(code, len);
    l2.f[VI_EXIT_CTL] &= ~(u64)EXIT_HOST_64;
    l2.f[VI_HOST_EFER] = EFER_NXE;
    l2.f[VI_HOST_CR3] = ARENA_AT(pae ? PG_PDPT : PG_PD32);
    l2.f[VI_HOST_CR4] ^= pae ? 0 : PAE_OFF_PSE_ON;
    l2.f[VI_HOST_CS_SEL] = SEL_CODE32;
    l2.f[VI_HOST_RSP] = STACK32;
    l2.f[VI_HOST_RIP] = (u64)pm32_exit;
}

static void clear_and_load(void)
{
    STEP(NULL, VMCLEAR, S, 0, 0);
    STEP(NULL, VMPTRLD, S, 0, 0);
    write_image();
}

/* Address bits 39:32 of a 4 MiB page stand in bits 20:13. SDM 3A 4.3 "32-Bit Paging" */
static void tables32(void)
{
    u32 *pd = arena(PG_PD32), *pt = arena(PG_PT32);

    for (u32 i = 0; i < 1024; i++)
        pd[i] = i << 22 | LEAF;
    pd[L1_SPECIAL >> 22] = (u32)ARENA_AT(PG_PT32) | 7;
    pt[SP_RW] = (u32)ARENA_AT(PG_SCRATCH) | 7;
    pt[SP_READ_ONLY] = (u32)ARENA_AT(PG_SCRATCH) | 5;
    pt[SP_SUPERVISOR] = (u32)ARENA_AT(PG_SCRATCH) | 3;
    pt[SP_RW2] = pt[SP_RESERVED] = (u32)ARENA_AT(PG_SCRATCH + 1) | 7;
    pd[PSE36_AT >> 22] = 3u << 13 | LEAF;         /* where no memory is */
    pd[(PSE36_AT >> 22) + 1] = 1u << 21 | LEAF;   /* reserved */
    pd[(PSE36_AT >> 22) + 2] = (u32)ARENA | 0x87; /* not accessed, not dirty */
    pd[(PSE36_AT >> 22) + 3] = (u32)ARENA | 0x85; /* read-only */
    pd[(PSE36_AT >> 22) + 4] = (u32)ARENA | 0x83; /* a supervisor's */
    pd[(PSE36_AT >> 22) + 5] = (u32)ARENA_AT(PG_PT32) | 5;
}

static void begin(void)
{
    u64 *pdpt = arena(PG_PDPT), *idt = arena(PG_IDT);

    count = 0;
    code_at = (u32)ARENA_AT(PG_CODE);
    SetMem(arena(PG_SCRATCH), 8192, 0);
    *(u64 *)arena(PG_SCRATCH) = ARENA_AT(PG_VMCS_A);
    ((u64 *)arena(PG_SCRATCH))[1] = ARENA_AT(PG_VMXON);
    ((u64 *)arena(PG_SCRATCH))[2] = 1;
    for (unsigned i = 0; i < 4; i++)
        pdpt[i] = ARENA_AT(PG_L1_TABLES + 2 + i) | 1;
    for (u64 v = 0; v < 32; v++) {
        u64 at = (u64)pm32_stubs + v * 16;

        idt[v] = (at & 0xffff) | (u64)SEL_CODE32 << 16 | 0x8eul << 40 | (at >> 16 & 0xffff) << 48;
    }
    tables32();
    STEP("vmxon", VMXON, S + 8, 0, 0);
}

static void run(void)
{
    struct gt_table_register idtr = gt_sidt();

    STEP("vmxoff", "\x0f\x01\xc4", 0, 0, 0);
    pm32_base = (u32)(u64)&pm32_env;
    pm32_env.step = (u32)ARENA_AT(PG_STEPS);
    pm32_env.left = count;
    pm32_env.cr3 = (u32)ARENA_AT(pae ? PG_PDPT : PG_PD32);
    pm32_env.cr4 = pae ? 0 : PAE_OFF_PSE_ON;
    pm32_env.esp = STACK32;
    gt_lidt((struct gt_table_register){255, ARENA_AT(PG_IDT)});
    pm32_run();
    gt_lidt(idtr);
    l1_state_restore();
    for (unsigned i = 0; i < count; i++) {
        if (names[i])
            print(i);
    }
}

static void operands(void)
{
    begin();
    STEP("vmptrst none", VMPTRST "\x8b\x00", S + 16, 0, 0);
    STEP("vmread none", VMREAD, 5, V_GUEST_RIP, 0);
    STEP("vmclear", VMCLEAR, S, 0, 0);
    STEP("vmptrld misaligned", VMPTRLD, S + 4, 0, 0);
    STEP("vmptrld", VMPTRLD, S, 0, 0);
    STEP("vmptrst", VMPTRST "\x8b\x00", S + 16, 0, 0);
    STEP("vmxon again", VMXON, S + 8, 0, 0);
    STEP("write natural", VMWRITE, 0x89abcdef, V_GUEST_RIP, 0);
    STEP("read natural", VMREAD, 5, V_GUEST_RIP, 0);
    STEP("write 64 low", VMWRITE, 0x11223344, V_TSC_OFFSET, 0);
    STEP("write 64 high", VMWRITE, 0x55667788, V_TSC_OFFSET | 1, 0);
    STEP("read 64 low", VMREAD, 5, V_TSC_OFFSET, 0);
    STEP("read 64 high", VMREAD, 5, V_TSC_OFFSET | 1, 0);
    STEP("rewrite 64 low clears high", VMWRITE, 0x99, V_TSC_OFFSET, 0);
    STEP("read 64 high again", VMREAD, 5, V_TSC_OFFSET | 1, 0);
    STEP("write 16", VMWRITE, 0xffffffff, V_GUEST_ES_SEL, 0);
    STEP("read 16", VMREAD, 5, V_GUEST_ES_SEL, 0);
    STEP("read bad field", VMREAD, 5, 0x6fff, 0);
    STEP("read memory writes 4", "\xc7\x40\x04\x78\x56\x34\x12\x0f\x78\x08\x8b\x40\x04", S + 0x20,
         V_GUEST_RIP, 0);
    STEP("read unshadowed memory writes 4", "\xc7\x40\x04\x78\x56\x34\x12\x0f\x78\x08\x8b\x40\x04",
         S + 0x20, V_TSC_OFFSET, 0);
    STEP("write memory reads 4", "\x0f\x79\x08", S, V_GUEST_RIP, 0);
    STEP("read it back", VMREAD, 5, V_GUEST_RIP, 0);
    STEP("sib", "\x0f\xc7\x7c\x98\x08\x8b\x44\x98\x08", S, 0, 4);
    STEP("absolute", "\x0f\xc7\x3d\x40\xe0\x00\x02\xa1\x40\xe0\x00\x02", 0, 0, 0);
    STEP("a16 wraps", "\x06\xb8\x38\x00\x00\x00\x8e\xc0\x67\x26\x0f\xc7\x7f\x10\x07", 0, 0, 0xfff0);
    STEP("absent", VMPTRST, 0xf0003100, 0, 0);
    STEP("absent read", VMPTRLD, 0xf0003100, 0, 0);
    STEP("into absent", VMPTRST, 0xf0006ffc, 0, 0);
    STEP("read-only", VMPTRST, 0xf0001100, 0, 0);
    STEP("small segment", "\x06\xb8\x38\x00\x00\x00\x8e\xc0\x26\x0f\xc7\x3b\x07", 0, 0, 0xf8);
    STEP("small segment past limit", "\x06\xb8\x38\x00\x00\x00\x8e\xc0\x26\x0f\xc7\x3b\x07", 0, 0,
         0xf9);
    STEP("small segment wraps", "\x06\xb8\x38\x00\x00\x00\x8e\xc0\x26\x0f\xc7\x3b\x07", 0, 0,
         0xfffffffe);
    STEP("segments back", "\x8e\xc2", 0, 0, 0);
    STEP("null segment", "\x06\x31\xc0\x8e\xc0\x26\x0f\xc7\x3b\x07", 0, 0, S);
    STEP("segments back again", "\x8e\xc2", 0, 0, 0);
    STEP("write through read-only segment", "\x06\xb8\x58\x00\x00\x00\x8e\xc0\x26\x0f\xc7\x3b\x07",
         0, 0, S);
    STEP("read through read-only segment",
         "\x8e\xc2\x06\xb8\x58\x00\x00\x00\x8e\xc0\x26\x0f\xc7\x33\x07", 0, 0, S);
    STEP("write through cs", "\x2e\x0f\xc7\x3b", 0, 0, S);
    STEP("read through cs", "\x2e\x0f\xc7\x33", 0, 0, S);
    STEP("vmlaunch bad controls", "\x0f\x01\xc2", 0, 0, 0);
    STEP("error", VMREAD, 5, V_INSN_ERROR, 0);
    STEP("vmlaunch behind mov ss", "\x8e\xd2\x0f\x01\xc2", 0, 0, 0);
    STEP("error 26", VMREAD, 5, V_INSN_ERROR, 0);
    run();
}

/* Operands behind the entries of tables32(), and these as the walk left them. */
static void walks(void)
{
    static const struct {
        const char *name;
        u32 at;
    } place[] = {
        {"no memory", PSE36_AT},
        {"reserved", PSE36_AT + 0x400000},
        {"clean", PSE36_AT + 0x800000 + PG_SCRATCH * 4096},
        {"large read-only", PSE36_AT + 0xc00000 + PG_SCRATCH * 4096},
        {"large supervisor", PSE36_AT + 0x1000000 + PG_SCRATCH * 4096},
        {"table read-only", PSE36_AT + 0x1400000},
        {"4 KiB", L1_SPECIAL},
        {"4 KiB read-only", L1_SPECIAL + SP_READ_ONLY * 4096},
        {"across", L1_SPECIAL + SP_ABSENT * 4096 - 4},
        {"large to reserved", PSE36_AT + 0x3ffffc},
    };
    const u32 *pd = arena(PG_PD32), *pt = arena(PG_PT32);

    begin();
    STEP("clear", VMCLEAR, S, 0, 0);
    STEP("load", VMPTRLD, S, 0, 0);
    for (unsigned i = 0; i < sizeof place / sizeof *place; i++) {
        STEP(place[i].name, VMPTRST, place[i].at + 0x40, 0, 0);
        STEP("its error", VMREAD, 5, V_INSN_ERROR, 0);
        STEP("read", VMPTRLD, place[i].at, 0, 0);
        STEP("write a field", "\x0f\x79\x08", place[i].at, V_GUEST_GDTR_BASE, 0);
        STEP("read a field", "\x0f\x78\x08", place[i].at + 0x48, V_GUEST_GDTR_BASE, 0);
        STEP("load again", VMPTRLD, S, 0, 0);
    }
    run();
    for (unsigned i = 0; i < 6; i++)
        gt_line("pde %u: %x", i, pd[(PSE36_AT >> 22) + i]);
    for (unsigned i = 0; i < 8; i++)
        gt_line("pte %u: %x", i, pt[i]);
}

/* An entry from outside IA-32e mode fails when the host or the guest is to be 64-bit. SDM 3C
 * 27.2.4 "Checks Related to Address-Space Size" */
static void launch(enum l2_mode mode, const char *code, size_t len, bool illegal)
{
    image(mode, code, len);
    if (illegal)
        l2.f[VI_EXIT_CTL] |= EXIT_HOST_64; /* a 64-bit host from 32-bit L1 */
    begin();
    clear_and_load();
    STEP("vmlaunch", "\x0f\x01\xc2", 1, 2, 3);
    STEP("error", VMREAD, 5, V_INSN_ERROR, 0);
    STEP("reason", VMREAD, 5, V_EXIT_REASON, 0);
    STEP("rip", VMREAD, 5, V_GUEST_RIP, 0);
    STEP("length", VMREAD, 5, V_EXIT_INSN_LEN, 0);
    STEP("cr0", "\x0f\x20\xc0", 5, 0, 0);
    STEP("cs", "\x8c\xc8", 5, 0, 0);
    STEP("ss", "\x31\xc0\x8c\xd0", 5, 0, 0);
    STEP("cr4", "\x0f\x20\xe0", 5, 0, 0);
    STEP("vmresume", "\x0f\x01\xc3", 1, 2, 3);
    STEP("reason again", VMREAD, 5, V_EXIT_REASON, 0);
    gt_line("launch_%s%s:", l2_mode_name[mode], illegal ? "_64-bit_host" : "");
    run();
}

TEST_MAIN(vmx_l1_32)
{
    static const u8 modes[] = {L2_32, L2_PAE, L2_V86, L2_32_R3, L2_16};

    vmx_begin();
    if (vmx_on()) {
        l2_init();
        vmx_off();
        operands();
        for (unsigned i = 0; i < sizeof modes; i++)
            launch(modes[i], "\x0f\xa2", 2, false);
        launch(L2_32, "", 0, true);
        launch(L2_64, "", 0, false); /* a 64-bit guest needs a 64-bit host */
        pae = false;
        gt_line("paging of 32 bits:");
        operands();
        walks();
        for (unsigned i = 0; i < sizeof modes; i++)
            launch(modes[i], "\x0f\xa2", 2, false);
    }
    vmx_end();
}
