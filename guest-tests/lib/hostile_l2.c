/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the hostile L1's L2 does: a few sensitive instructions with hostile registers, on a window
 * whose spare page shows memory, no memory, Nidus's region or a VMCS; and an EPT12 with entries
 * that no sane L1 writes.
 */
#include "guest-tests/lib/hostile.h"

enum { ANY, LONG_ONLY, SHORT_ONLY, CODE_ROOM = 96, SAFE_PORT = 0x80, PTE_RWU = 7 };

/*
 * Safe in every decoding: no immediate whose length depends on the operand size but where the mode
 * is given. Ports are 0x80 only. MWAIT and MONITOR sleep for good on the emulator unless they exit,
 * which the image sees to. RDTSC is followed by what clears the time, in every operand size. No MOV
 * to CR0 that clears PE or PG: CAVEAT(bochs-cr0-fixed).
 */
/* clang-format off */
static const struct snippet {
    const char *name, *code;
    u8 len, mode;
} snippets[] = {
#define C(NAME, CODE) {NAME, CODE, sizeof(CODE) - 1, ANY}
#define C64(NAME, CODE) {NAME, CODE, sizeof(CODE) - 1, LONG_ONLY}
#define C32(NAME, CODE) {NAME, CODE, sizeof(CODE) - 1, SHORT_ONLY}
    C("vmxon", "\xf3\x0f\xc7\x33"), C("vmclear", "\x66\x0f\xc7\x33"), C("vmptrld", "\x0f\xc7\x33"),
    C("vmptrst", "\x0f\xc7\x3b"), C("vmread", "\x0f\x78\xd8"), C("vmread_mem", "\x0f\x78\x0b"),
    C("vmwrite", "\x0f\x79\xcb"), C("vmwrite_mem", "\x0f\x79\x0b"), C("vmlaunch", "\x0f\x01\xc2"),
    C("vmresume", "\x0f\x01\xc3"), C("vmxoff", "\x0f\x01\xc4"), C("vmcall", "\x0f\x01\xc1"),
    C("vmfunc", "\x0f\x01\xd4"), C("invept", "\x66\x0f\x38\x80\x0b"),
    C("invvpid", "\x66\x0f\x38\x81\x0b"),
    C("invpcid", "\x66\x0f\x38\x82\x0b"), C("getsec", "\x0f\x37"), C("rsm", "\x0f\xaa"),
    C("mov_cr0", "\x0f\x22\xc6"), C("from_cr0", "\x0f\x20\xc1"), C("mov_cr3", "\x0f\x22\xdd"),
    C("from_cr3", "\x0f\x20\xd9"), C("mov_cr4", "\x0f\x22\xe7"), C("from_cr4", "\x0f\x20\xe1"),
    C("clts", "\x0f\x06"), C("smsw", "\x0f\x01\xe0"), C64("mov_cr8", "\x44\x0f\x22\xc0"),
    C64("from_cr8", "\x44\x0f\x20\xc1"), C64("cr8_twice", "\x44\x0f\x22\xc3\x44\x0f\x20\xc1"),
    C("from_dr7", "\x0f\x21\xf9"), C("from_dr6", "\x0f\x21\xf1"),
    C("mov_dr0", "\x0f\x23\xc3"), C("mov_dr6", "\x0f\x23\xf0"), C("rdmsr", "\x0f\x32"),
    C("wrmsr", "\x0f\x30"),
    C("in", "\xec"), C("out", "\xee"), C("in_d", "\xed"), C("out_imm", "\xe6\x80"),
    C("ins", "\x6c"), C("outs", "\x6e"),
    C("rep_outs", "\xb1\x03\xf3\x6e"), C("cpuid", "\x0f\xa2"), C("xsetbv", "\x0f\x01\xd1"),
    C("xgetbv", "\x0f\x01\xd0\x31\xc0\x31\xd2"),
    C("invd", "\x0f\x08"), C("wbinvd", "\x0f\x09"), C("invlpg", "\x0f\x01\x3b"), C("hlt", "\xf4"),
    C("pause", "\xf3\x90"),
    C("monitor", "\x0f\x01\xc8"), C("mwait", "\x0f\x01\xc9"), C("lahf", "\x9f"),
    C("rdpmc", "\x0f\x33"), C("lgdt", "\x0f\x01\x13"), C("lidt", "\x0f\x01\x1b"),
    C("sgdt", "\x0f\x01\x03"),
    C("sidt", "\x0f\x01\x0b"), C("lldt", "\x0f\x00\xd2"), C("ltr", "\x0f\x00\xda"),
    C("sldt", "\x0f\x00\xc0"),
    C("str", "\x0f\x00\xc8"), C("far_jump", "\xff\x2b"), C("far_call", "\xff\x1b"),
    C("iret", "\xcf"), C64("iretq", "\x48\xcf"),
    C("sysenter", "\x0f\x34"), C("syscall", "\x0f\x05"), C("sysexit", "\x0f\x35"),
    C64("sysret", "\x48\x0f\x07"),
    C("int3", "\xcc"), C("int_20", "\xcd\x20"), C("int_81", "\xcd\x81"), C("icebp", "\xf1"),
    C("ud2", "\x0f\x0b"),
    C32("into", "\xb0\x7f\x04\x01\xce"), C64("swapgs", "\x0f\x01\xf8"),
    C("clflush", "\x0f\xae\x3b"), C("sti", "\xfb"),
    C("cli", "\xfa"), C("popf", "\x51\x9d"), C("pushf", "\x9c\x58"), C("mov_ss", "\x8e\xd2"),
    C("mov_ds", "\x8e\xda"),
    C("mov_ds_bad", "\x8e\xd9"), C("lock_bad", "\xf0\x90"), C("store", "\x88\x03"),
    C("store_wide", "\x89\x03"),
    C("load", "\x8b\x0b"), C("add", "\x01\x03"), C("lock_inc", "\xf0\xff\x03"),
    C("xchg", "\x87\x03"),
    C("movs", "\xb1\x04\xf3\xa4"), C("stos", "\xb1\x08\xf3\xaa"), C("div", "\xf7\xf1"),
    C("push_pop", "\x50\x5b"), C("nop", "\x90"),
    C64("store_far", "\x49\x89\x00"), C64("load_far", "\x4d\x8b\x08"),
    C64("fetch_far", "\x41\xff\xe0"),
    C("verr", "\x0f\x00\xe2"), C("lar", "\x0f\x02\xca"), C("bound", "\x62\x0b"),
    C("x87", "\xd9\xe8"), C("emms", "\x0f\x77"),
};
/* clang-format on */
enum { SNIPPETS = sizeof snippets / sizeof *snippets };

static bool touches_vmcs;

bool h_l2_touches_vmcs(void)
{
    return touches_vmcs;
}

static bool is_long(enum l2_mode mode)
{
    return mode == L2_64 || mode == L2_64_R3;
}

/* Where RBX, RSI and RDI's neighbours point. */
static u64 window_address(void)
{
    static const u8 pages[] = {P_DATA,   P_DATA, P_DATA,       P_STACK, P_READ_ONLY,
                               P_ABSENT, P_APIC, P_SUPERVISOR, P_NX,    P_SPARE,
                               P_SPARE,  P_GDT,  P_TSS32,      P_CODE};

    return L2_AT(pages[h_below(sizeof pages)]) +
           (h_chance(80) ? h_below(250) * 16 : 0xff8 + h_below(8));
}

static const u32 msr_numbers[] = {
    MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_STAR,           MSR_LSTAR,
    MSR_CSTAR,       MSR_FMASK,        MSR_FS_BASE,      MSR_GS_BASE,        MSR_KERNEL_GS_BASE,
    MSR_PAT,         MSR_EFER64,       MSR_VMX_MISC,     MSR_FEATURE_CONTROL};
enum { MSR_NUMBERS = sizeof msr_numbers / sizeof *msr_numbers };

/* Inside the MSR bitmap's ranges, the emulator drops what it does not know and Nidus has a list:
 * CAVEAT msr-unlisted. */
static bool is_unlisted(u32 number)
{
    for (unsigned i = 0; i < MSR_NUMBERS; i++)
        if (number == msr_numbers[i])
            return false;
    return number < 0x2000 || number - 0xc0000000 < 0x2000;
}

/* The spare page of the window: physical memory of every kind. A VMCS there is L2's
 * to scribble on. */
static void spare_page(void)
{
    u64 at;

    switch (h_below(8)) {
    /* clang-format off */
    case 0: at = h.hole.base + 4096; break;
    case 1: at = H_GAP; break;
    case 2: at = H_NOWHERE; break;
    case 3: at = H_ROM; break;
    /* clang-format on */
    case 4:
        at = h.vmcs[h_below((u64)h.regions - 1)].at;
        if (h_region(at) == h.current)
            at = ARENA_AT(PG_VMXON); /* the current one's bytes are the emulator's host state */
        break;
    case 5:
        at = ARENA_AT(PG_L2_TABLES + 3);
        break; /* its own page table */
    default:
        at = ARENA_AT(PG_L2 + P_SPARE);
        break;
    }
    touches_vmcs = h_region(at) != H_NONE;
    ((u64 *)arena(PG_L2_TABLES + 3))[(L2_BASE >> 12) + P_SPARE] = at | PTE_RWU;
    if (at >> 32 == 0)
        ((u32 *)arena(PG_L2_TABLES + 6))[(L2_BASE >> 12) + P_SPARE] = (u32)at | PTE_RWU;
}

static void registers(void)
{
    u64 cr0_bits = 1ul << h_below(4), cr4_bits = 1ul << h_below(32);

    /* WP, AM, or the undefined bit 20; CD */
    if (h_chance(40))
        cr0_bits = 1ul << (16 + h_below(3) * 2) | 1ul << 30;
    l2.gpr[RAX] = h_chance(50) ? vmx_random_edge() : h_below(256);
    l2.gpr[RBX] = window_address();
    l2.gpr[RCX] = h_chance(60)   ? msr_numbers[h_below(MSR_NUMBERS)]
                  : h_chance(50) ? vmx_field[h_any_field()].enc
                                 : vmx_random_edge();
    /* the time, and this program's address, are no business of the transcript's */
    if (is_unlisted((u32)l2.gpr[RCX]) || l2.gpr[RCX] == V_HOST_RIP)
        l2.gpr[RCX] = MSR_STAR;
    l2.gpr[RDX] = h_chance(60) ? SAFE_PORT : h_below(20) * 8;
    l2.gpr[RBP] = l2.f[VI_GUEST_CR3] ^ (h_chance(70)   ? 1ul << (3 + h_below(2))
                                        : h_chance(50) ? 1ul << 45
                                                       : 0);
    l2.gpr[RSI] = (l2.f[VI_GUEST_CR0] ^ cr0_bits) | CR0_PG | CR0_PE;
    l2.gpr[RDI] = l2.f[VI_GUEST_CR4] ^ (cr4_bits & ~(CR4_PAE | CR4_PSE | H_CR4_UNSEEN));
    l2.gpr[R8] = (const u64[]){AT_4K, AT_2M, AT_1G}[h_below(3)];
}

/* PORT is the only one that may be let through, whatever RDX holds. */
static void ports(void)
{
    u8 *map = arena(PG_IO_A);

    if (l2.f[VI_PROC_CTL] & PROC_UNCOND_IO && h_chance(60))
        return;
    l2.f[VI_PROC_CTL] = (l2.f[VI_PROC_CTL] & ~(u64)PROC_UNCOND_IO) | PROC_IO_BITMAPS;
    for (u64 i = 0; i < 1024; i++)
        ((u64 *)map)[i] = ~0ul;
    if (h_chance(50))
        map[SAFE_PORT / 8] = 0xfe;
}

void h_l2_program(void)
{
    char code[CODE_ROOM];
    u64 count = 1 + h_below(5);
    size_t len = 0;
    bool port = false;

    touches_vmcs = false;
    for (u64 k = 0; k < count; k++) {
        const struct snippet *s = &snippets[h_below(SNIPPETS)];

        if ((s->mode == LONG_ONLY && !is_long(l2.mode)) ||
            (s->mode == SHORT_ONLY && is_long(l2.mode)))
            continue;
        for (u8 i = 0; i < s->len; i++)
            code[len++] = s->code[i];
        h_note(" %s", s->name);
        port |= s->code[0] == '\xec' || s->code[0] == '\xed' || s->code[0] == '\xee' ||
                s->code[0] == '\x6c' || s->code[0] == '\x6e';
    }
    l2_code(code, len);
    registers();
    if (h_chance(40))
        spare_page();
    if (port)
        l2.gpr[RDX] = SAFE_PORT;
    l2.f[VI_PROC_CTL] |= PROC_MWAIT | PROC_MONITOR;
    ports();
}

static u64 strange_entry(u64 old)
{
    u64 own = h.crowd ? E_R : E_RWX; /* an L2 that lives on would write them without an INVEPT */

    switch (h_below(12)) {
    case 0:
        return 0;
    case 1:
        return (old & ~7ul) | h_below(8);
    /* the tables themselves */
    /* clang-format off */
    case 2: return ARENA_AT(PG_E_PML4 + h_below(6)) | own | (h_chance(50) ? E_WB : 0);
    case 3: return h.hole.base + 4096 + (E_RWX | E_WB);
    case 4: return H_NOWHERE | E_R | E_W | E_WB; /* a fetch from no memory ends the emulator */
    case 5: return H_GAP | E_R | E_W;
    case 6: return old | 1ul << (40 + h_below(12)); /* beyond the physical addresses */
    case 7: return old ^ E_PS;
    case 8: return (old & ~E_TYPE) | h_below(8) << 3;
    case 9: return old | E_IPAT | E_A;
    case 10: return old ^ E_A ^ E_D;
    default: return H_ROM | E_R | E_W | E_WB;
        /* clang-format on */
    }
}

/*
 * CAVEAT(bochs-ept-walk-read), CAVEAT(bochs-ept-guest-flags): rights are not taken from L2's own
 * paging structures while they are walked; what is above them is left alone, or broken for every
 * access. CAVEAT(bochs-ept-large-bit-12).
 */
void h_ept_bend(void)
{
    bool split = !(((u64 *)arena(PG_E_PD0))[ARENA >> 21] & E_PS);
    u64 *e, was;

    switch (h_below(split ? 5 : 3)) {
    /* clang-format off */
    case 0: e = (u64 *)arena(PG_E_PD1) + 1; break;
    case 1: e = (u64 *)arena(PG_E_PDPT) + 2; break;
    case 2: e = (u64 *)arena(PG_E_PT1); break;
    default: e = ept_leaf_of((unsigned)(PG_L2 + h_below(L2_PAGES))); break;
        /* clang-format on */
    }
    was = *e;
    *e = strange_entry(was);
    if ((*e & E_PS) && (*e & 0x1ff000))
        *e = was;
    h_note(" ept %lx", h_plain(*e));
}

void h_ept_image(enum l2_mode mode)
{
    bool ad = h_chance(50), split = h_chance(50);

    ept_world(mode, ad ? EPTP_AD_ON : 0);
    /* all low memory shows there: no code of anybody's */
    ((u64 *)arena(PG_L2_TABLES + 1))[2] |= 1ul << 63;
    if (split)
        ept_split();
    for (u64 k = h_below(4); k > 0; k--)
        h_ept_bend();
}
