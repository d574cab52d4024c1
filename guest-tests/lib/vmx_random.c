/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The random-VMCS differential: one to three fields of a valid VMCS are changed, biased to
 * boundaries, and VMLAUNCH is tried. What could end in shutdown, wait-for-SIPI or a VMX abort is
 * left to boots of their own, and a preemption timer bounds every entry.
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"
#include "guest-tests/lib/vmx_random.h"

enum { TIMER_LIMIT = 20000, LIST_ENTRIES = 256, HOST_PERCENT = 15, CONTROL_PERCENT = 35 };

static u64 below(u64 n)
{
    return gt_rand() % n;
}

u64 vmx_random_edge(void)
{
    /* clang-format off */
    static const u64 edges[] = {
        0, 1, 2, 3, 4, 7, 8, 0xf, 0x10, 0xff, 0x100, 0xfff, 0x1000, 0x7fff, 0x8000, 0xffff, 0x10000,
        0xfffff,
        0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0xffffffffff, 0x10000000000,
        0x7fffffffffff,
        0x800000000000, 0xffff7fffffffffff, 0xffff800000000000, 0x10000000000000,
        0x7fffffffffffffff,
        0x8000000000000000, ~0ul,
    };
    /* clang-format on */

    return edges[below(sizeof edges / sizeof *edges)];
}

static u64 bent(u64 v)
{
    switch (below(8)) {
    /* clang-format off */
    case 0: return vmx_random_edge();
    case 1: return v + 1;
    case 2: return v - 1;
    case 3: return v | vmx_random_edge();
    case 4: return gt_rand();
    case 5: return v ^ 1ul << below(64) ^ 1ul << below(64);
    default: return v ^ 1ul << below(64);
        /* clang-format on */
    }
}

static u64 width_mask(int i)
{
    static const u64 by_width[] = {0xffff, ~0ul, 0xffffffff, ~0ul};

    return by_width[vmx_field[i].enc >> 13];
}

/* An address in the arena, whose contents are the same in every run, or one that no CPU accepts. */
static u64 address(u64 v)
{
    static const u8 pages[] = {PG_VMXON, PG_VMCS_A, PG_VMCS_B, PG_VMCS_C, PG_SCRATCH, PG_FREE};

    switch (below(4)) {
    /* clang-format off */
    case 0: return ARENA_AT(pages[below(sizeof pages)]);
    case 1: return v ^ 1ul << below(12);
    case 2: return v | 1ul << (40 + below(24));
    default: return (v ^ 1ul << below(12)) | (below(2) ? 1ul << 40 : 0);
        /* clang-format on */
    }
}

/* Values that the test survives: L1's own code runs on the host state. The rest is illegal. */
static u64 host_value(int i, u64 v)
{
    u64 n = bent(v);

    switch (i) {
    /* not canonical, and no trace of the program's address */
    /* clang-format off */
    case VI_HOST_RIP: return 1ul << (47 + below(16));
    case VI_HOST_CR3: return v | 1ul << (40 + below(24));
    case VI_HOST_CR4: return n & ~(3ul << 20); /* SMEP, SMAP: L1's pages are user pages */
    default: return n;
        /* clang-format on */
    }
}

static u64 control_value(int i, u64 v)
{
    u64 n = bent(v);

    switch (i) {
    case VI_PIN_CTL:
        return n | PIN_TIMER;
    case VI_PROC2_CTL: {
        u64 out = PROC2_X2APIC | PROC2_APIC_REGISTERS | PROC2_VIRTUAL_INTR;
        return n & ~out;
    }
    /* "Load IA32_PERF_GLOBAL_CTRL": on the emulator advertised, not done (EMULATOR's list). */
    case VI_EXIT_CTL:
        return n & ~(u64)EXIT_LOAD_PERF;
    /* CAVEAT(bochs-entry-smm) */
    case VI_ENTRY_CTL:
        return n & ~(u64)(ENTRY_LOAD_PERF | ENTRY_SMM);
    case VI_EXIT_MSR_LOAD_COUNT:
    case VI_EXIT_MSR_STORE_COUNT:
    case VI_ENTRY_MSR_LOAD_COUNT:
        return below(3) ? below(3) : LIST_ENTRIES - below(2);
    /* CAVEAT(bochs-inject-other) */
    case VI_ENTRY_INTR_INFO:
        return (n & 0x700) == INTR_OTHER ? n & ~0x100ul : n | (below(2) ? INTR_VALID : 0);
    default:
        return n;
    }
}

static u64 guest_value(int i, u64 v)
{
    u64 n = bent(v);

    if (i >= VI_GUEST_ES_AR && i <= VI_GUEST_TR_AR)
        return n & 0x1f0ff; /* CAVEAT(ar-packing): reserved bits may not be stored */
    switch (i) {
    /* clang-format off */
    case VI_GUEST_CR3: return below(2) ? v ^ 1ul << below(12) : v | 1ul << (40 + below(24));
    case VI_GUEST_ACTIVITY: return n == 2 || n == 3 ? 1 : n;
    case VI_GUEST_PENDING_DEBUG: return n & 0xffffffff; /* CAVEAT(bochs-pending-debug-high) */
    case VI_GUEST_RIP: return n & 0xffffffffffff; /* CAVEAT(bochs-rip-canonical) */
    case VI_GUEST_DEBUGCTL: return 0;             /* CAVEAT(bochs-debugctl) */
    case VI_PREEMPTION_TIMER: return below(2) ? 0 : TIMER_LIMIT / 2;
    default: return n;
        /* clang-format on */
    }
}

static bool is_address(int i)
{
    u32 enc = vmx_field[i].enc;

    return (enc >= V_IO_BITMAP_A && enc <= V_ENTRY_MSR_LOAD_ADDR) || enc == V_VIRTUAL_APIC_ADDR ||
           enc == V_APIC_ACCESS_ADDR || enc == V_EPT_POINTER || enc == V_EPTP_LIST_ADDR ||
           enc == V_VIRT_EXCEPTION_INFO || enc == V_VMREAD_BITMAP || enc == V_VMWRITE_BITMAP ||
           enc == V_VMCS_LINK_PTR;
}

static bool eligible(int i)
{
    bool perf = i == VI_GUEST_PERF_GLOBAL || i == VI_HOST_PERF_GLOBAL;
    bool gate = vmx_field[i].gate == '-' || vmx_field[i].gate == 'E' || vmx_field[i].gate == 'S';

    return l2_present[i] && gate && !perf && VMX_KIND(vmx_field[i].enc) != KIND_READ_ONLY &&
           i != VI_EXECUTIVE_VMCS_PTR;
}

int vmx_random_field(void)
{
    u64 dice = below(100);
    u32 kind = dice < HOST_PERCENT                     ? KIND_HOST
               : dice < HOST_PERCENT + CONTROL_PERCENT ? KIND_CONTROL
                                                       : KIND_GUEST;
    int i;

    do
        i = (int)below(VMX_FIELDS);
    while (!eligible(i) || VMX_KIND(vmx_field[i].enc) != kind);
    return i;
}

static u64 new_value(int i, u64 v)
{
    if (is_address(i))
        return address(i == VI_VMCS_LINK_PTR ? ARENA_AT(PG_VMCS_B) : v);
    switch (VMX_KIND(vmx_field[i].enc)) {
    /* clang-format off */
    case KIND_HOST: return host_value(i, v);
    case KIND_CONTROL: return control_value(i, v);
    default: return guest_value(i, v);
        /* clang-format on */
    }
}

u64 vmx_random_value(int i, u64 v)
{
    return new_value(i, v) & width_mask(i);
}

/* What a case may read beside its VMCS: lists of harmless MSRs, pages with and
 * without a revision. */
static void prepare_memory(void)
{
    for (unsigned page = PG_ENTRY_LOAD; page <= PG_EXIT_LOAD; page++) {
        u64 *list = arena(page);

        for (unsigned i = 0; i < LIST_ENTRIES; i++) {
            list[2 * i] = MSR_KERNEL_GS_BASE;
            list[2 * i + 1] = i;
        }
    }
    ((u64 *)arena(PG_ENTRY_LOAD))[2] = MSR_FS_BASE; /* the second entry is refused */
    SetMem(arena(PG_FREE), 4096, 0);
    SetMem(arena(PG_VMCS_B), 8192, 0);
    *(u32 *)arena(PG_VMCS_B) = *(u32 *)arena(PG_VMXON);
    *(u32 *)arena(PG_VMCS_C) = *(u32 *)arena(PG_VMXON) | 1u << 31;
}

/* Combinations where the emulator is known to depart: CAVEAT(bochs-pending-bs), a single-step trap
 * pending must agree with TF while STI or MOV SS blocks; CAVEAT(bochs-hlt-injection), few events
 * may wake from HLT. */
void vmx_random_agree(void)
{
    u64 event = l2.f[VI_ENTRY_INTR_INFO] & 0x7ff;
    bool wakes = (event & 0x700) == INTR_EXTERNAL || event == (INTR_NMI | 2) ||
                 event == (INTR_HARD_EXC | 1) || event == (INTR_HARD_EXC | 18);
    bool blocked = (l2.f[VI_GUEST_INTERRUPTIBILITY] & 3) || l2.f[VI_GUEST_ACTIVITY] == 1;
    bool step = (l2.f[VI_GUEST_RFLAGS] & FLAG_TF) && !(l2.f[VI_GUEST_DEBUGCTL] & 2);

    if (blocked)
        l2.f[VI_GUEST_PENDING_DEBUG] = (l2.f[VI_GUEST_PENDING_DEBUG] & ~(1ul << 14)) | (u64)step
                                                                                           << 14;
    if (l2.f[VI_GUEST_ACTIVITY] == 1 && !wakes)
        l2.f[VI_ENTRY_INTR_INFO] &= ~(u64)INTR_VALID;
}

static void mutate(u64 number, char *name, size_t room)
{
    u64 fields = 1 + below(3);
    size_t n = gt_format(name, room, "case%lu", number);

    for (u64 k = 0; k < fields; k++) {
        int i = vmx_random_field();

        if (i == VI_VMCS_LINK_PTR && k > 0)
            continue;
        l2.f[i] = vmx_random_value(i, l2.f[i]);
        n += gt_format(name + n, room - n, "_%s=%lx", vmx_field[i].name, l2.f[i]);
        /* two broken rules of the guest state, and which one the qualification names is open */
        if (i == VI_VMCS_LINK_PTR)
            return;
    }
}

static void run(u64 seed, u64 number)
{
    char name[160];

    gt_seed(seed * 0x9e3779b97f4a7c15 ^ (number + 1) * 0xbf58476d1ce4e5b9);
    for (unsigned i = 0; i < 4; i++)
        gt_rand();
    l2_world((enum l2_mode)below(L2_MODES));
    l2.f[VI_PREEMPTION_TIMER] = TIMER_LIMIT;
    l2.f[VI_PROC_CTL] |= PROC_SECONDARY;
    l2.f[VI_EPT_POINTER] = ARENA_AT(PG_FREE) | 6 | 3 << 3; /* legal, and maps nothing */
    l2.f[VI_EPTP_LIST_ADDR] = l2.f[VI_VIRT_EXCEPTION_INFO] = ARENA_AT(PG_SCRATCH);
    l2_code("\x90\x50\x58", below(2) ? 3 : 0);
    prepare_memory();
    mutate(number, name, sizeof name);
    vmx_random_agree();
    l2_write();
    l2_enter(false);
    if ((l2_seen[VI_EXIT_REASON] & 0xffff) == REASON_TIMER)
        l2.flags = NO_REGS | NO_MEM | NO_FIELDS; /* how far L2 came is a matter of time */
    l2_report(name);
}

void vmx_random(u64 seed, u64 first, u64 count)
{
    seed = vmx_option("seed", seed);
    first = vmx_option("first", first);
    count = vmx_option("count", count);
    vmx_begin();
    if (vmx_on()) {
        /* A processor may keep what an earlier program's EPT tables held at the same EPTP.
         * SDM 3C 29.4.3.4 "Guidelines for Use of the INVEPT Instruction" */
        if (ept_usable())
            (void)ept_invept(INVEPT_ALL, 0);
        l2_init();
        gt_line("seed: %lu first %lu count %lu", seed, first, count);
        for (u64 number = first; number < first + count; number++)
            run(seed, number);
    }
    vmx_end();
}
