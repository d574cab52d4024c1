/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each bit of each VMCS field flipped by itself, in a VMCS that is valid otherwise: in three modes
 * of L2, and with many controls on. A line a field: the bits with which the entry was VMfailValid 7
 * or 8, those that ended it with exit reason 33, and a hash of everything that the exits told. The
 * argument field=NUMBER (an encoding) prints each flip of that field. Then the controls in pairs.
 *
 * Right: An entry is refused exactly where a rule of its field says so. SDM 3C 27.2 "Checks on VMX
 * Controls and Host-State Area", SDM 3C 27.3.1 "Checks on the Guest State Area"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

#define EXIT_SAVE_PERF (1u << 30)
#define LOW_12         0xffful
#define TOO_WIDE       (~0ul << 40)
#define CR4_LA57       (1ul << 12) /* CAVEAT(bochs-linux-features) */
#define HASH_SEED      0xcbf29ce484222325
#define HASH_STEP      0x100000001b3

/* Bits that are left out, or the low and the high ones that stay: a flip would let L1 go on
 * somewhere else, have the CPU write somewhere, or meet what the emulator judges wrongly. */
static u64 tried(int i)
{
    switch (i) {
    case VI_HOST_RIP:
        return 0xffff8ul << 44; /* not canonical */
    case VI_HOST_CR3:
    case VI_APIC_ACCESS_ADDR:
    case VI_VIRTUAL_APIC_ADDR:
    case VI_GUEST_CR3:
        return LOW_12 | TOO_WIDE;
    case VI_HOST_CR4: /* SMEP and SMAP: L1's pages are user pages */
        return ~(3ul << 20 | CR4_LA57);
    case VI_GUEST_CR4:
        return ~CR4_LA57;
    case VI_PIN_CTL:
        return ~(u64)PIN_TIMER;
    case VI_EXIT_CTL: /* IA32_PERF_GLOBAL_CTRL: shown by the emulator, and not done */
        return ~(u64)(EXIT_LOAD_PERF | EXIT_SAVE_PERF);
    case VI_ENTRY_CTL: /* CAVEAT(bochs-entry-smm) */
        return ~(u64)(ENTRY_LOAD_PERF | ENTRY_SMM);
    case VI_GUEST_ACTIVITY: /* shutdown has a program of its own */
        return ~2ul;
    case VI_GUEST_PENDING_DEBUG: /* CAVEAT(bochs-pending-debug-high) */
        return 0xffffffff;
    case VI_GUEST_RIP: /* CAVEAT(bochs-rip-canonical) */
        return ~(0xffff8ul << 44);
    case VI_GUEST_DEBUGCTL: /* CAVEAT(bochs-debugctl) */
        return 0;
    case VI_EXIT_MSR_LOAD_COUNT:
    case VI_EXIT_MSR_STORE_COUNT:
    case VI_ENTRY_MSR_LOAD_COUNT: /* t_vmx_list_bound has the long ones */
        return 1;
    default:
        return ~0ul;
    }
}

static bool is_address(int i)
{
    u32 enc = vmx_field[i].enc;

    return (enc >= V_IO_BITMAP_A && enc <= V_ENTRY_MSR_LOAD_ADDR) || enc == V_EPT_POINTER ||
           enc == V_EPTP_LIST_ADDR || enc == V_VIRT_EXCEPTION_INFO || enc == V_VMREAD_BITMAP ||
           enc == V_VMWRITE_BITMAP;
}

/* What the emulator takes in an unrestricted guest: CAVEAT(bochs-cs-ss-dpl),
 * CAVEAT(bochs-ia32e-unpaged). */
static u64 unrestricted_takes(int i)
{
    if (!(l2.f[VI_PROC2_CTL] & PROC2_UNRESTRICTED))
        return 0;
    return i == VI_GUEST_CR0 ? CR0_PG : i == VI_GUEST_SS_AR || i == VI_GUEST_CS_AR ? 0x60 : 0;
}

static u64 bits_of(int i)
{
    static const u64 by_width[] = {0xffff, ~0ul, 0xffffffff, ~0ul};
    u64 bits = by_width[vmx_field[i].enc >> 13] & tried(i) & ~unrestricted_takes(i);

    if (i >= VI_GUEST_ES_AR && i <= VI_GUEST_TR_AR)
        bits &= 0x1f0ff; /* CAVEAT(ar-packing) */
    return is_address(i) ? bits & (LOW_12 | TOO_WIDE) : bits;
}

static bool eligible(int i)
{
    bool perf = i == VI_GUEST_PERF_GLOBAL || i == VI_HOST_PERF_GLOBAL;

    return l2_present[i] && vmx_field[i].gate != 'P' && !perf && bits_of(i) != 0 &&
           VMX_KIND(vmx_field[i].enc) != KIND_READ_ONLY && i != VI_EXECUTIVE_VMCS_PTR;
}

struct seen {
    u64 fail7, fail8, refused, entered, hash;
};

static u64 mix(u64 hash, u64 v)
{
    return (hash ^ v) * HASH_STEP;
}

/* The exit of an entry that was accepted: whatever the flip does to L2 shows in these. */
static void accepted(struct seen *s, unsigned bit, const char *name)
{
    static const u8 told[] = {VI_EXIT_REASON,    VI_EXIT_QUALIFICATION, VI_EXIT_INTR_INFO,
                              VI_GUEST_RIP,      VI_GUEST_CR0,          VI_GUEST_CR4,
                              VI_GUEST_RFLAGS,   VI_GUEST_CS_AR,        VI_GUEST_INTERRUPTIBILITY,
                              VI_GUEST_ACTIVITY, VI_GUEST_DR7,          VI_GUEST_EFER};

    s->entered |= 1ul << bit;
    s->hash = mix(s->hash, bit);
    for (unsigned k = 0; k < sizeof told; k++) {
        u64 v = 0;

        vmx_vmread(vmx_field[told[k]].enc, &v);
        if (told[k] == VI_GUEST_RFLAGS) /* CAVEAT(bochs-fault-exit-rf): a #VE that exits */
            v &= ~FLAG_RF;
        s->hash = mix(s->hash, v);
        if (name)
            gt_line("%s bit %u: %s %lx", name, bit, vmx_field[told[k]].name, v);
    }
    l2_write_fields();
}

/* One entry of the VMCS as it is written, with GUEST_RIP as given; counted under `bit`. */
static void enter(u64 rip, unsigned bit, struct seen *s, const char *name)
{
    u64 error = 0;

    l2_again(rip);
    l1_state_restore();
    if (l2_seen_rflags & FLAG_ZF) {
        vmx_vmread(V_INSN_ERROR, &error);
        s->fail7 |= error == 7 ? 1ul << bit : 0;
        s->fail8 |= error == 8 ? 1ul << bit : 0;
        s->hash = mix(s->hash, error);
    } else if (l2_seen[VI_EXIT_REASON] >> 31) {
        s->refused |= l2_seen[VI_EXIT_REASON] == (REASON_ENTRY_FAILED | 33) ? 1ul << bit : 0;
        s->hash = mix(mix(s->hash, l2_seen[VI_EXIT_REASON]), l2_seen[VI_EXIT_QUALIFICATION]);
    } else {
        accepted(s, bit, name);
    }
}

static void flip(int i, unsigned bit, struct seen *s, const char *name)
{
    u64 v = l2.f[i] ^ 1ul << bit;

    vmx_vmwrite(vmx_field[i].enc, v);
    enter(i == VI_GUEST_RIP ? v : l2.f[VI_GUEST_RIP], bit, s, name);
    vmx_vmwrite(vmx_field[i].enc, l2.f[i]);
}

static void field(int i, const char *world)
{
    bool each = vmx_option("field", ~0ul) == vmx_field[i].enc;
    struct seen s = {.hash = HASH_SEED};
    u64 bits = bits_of(i);

    for (unsigned bit = 0; bit < 64; bit++) {
        if (bits >> bit & 1)
            flip(i, bit, &s, each ? vmx_field[i].name : NULL);
    }
    gt_line("%s.%s: fail7 %lx fail8 %lx exit33 %lx entered %lx hash %lx", world, vmx_field[i].name,
            s.fail7, s.fail8, s.refused, s.entered, s.hash);
}

/* The controls of the five words that some Broadwell has: later ones are not shown to L1. */
static const struct {
    u8 index;
    u32 bits;
} control[] = {
    {VI_PIN_CTL, PIN_EXT_INT | PIN_NMI | PIN_VIRTUAL_NMI},
    {VI_PROC_CTL, 0xf3f99e8c & ~PROC_SECONDARY},
    {VI_PROC2_CTL, 0x57fff},
    {VI_EXIT_CTL, 0x7c8204},
    {VI_ENTRY_CTL, 0xc204},
};
enum { CONTROLS = sizeof control / sizeof *control };

/* Flips a control, and each of those behind it with it: rules that tie two controls to each other.
 */
static void pairs_of(unsigned c, unsigned bit, const char *world)
{
    int i = control[c].index;

    for (unsigned d = c; d < CONTROLS; d++) {
        int k = control[d].index;
        struct seen s = {.hash = HASH_SEED};

        for (unsigned other = d == c ? bit + 1 : 0; other < 32; other++) {
            u64 v = l2.f[i] ^ 1ul << bit;

            if (!(control[d].bits >> other & 1))
                continue;
            vmx_vmwrite(vmx_field[i].enc, v);
            vmx_vmwrite(vmx_field[k].enc, (k == i ? v : l2.f[k]) ^ 1ul << other);
            enter(l2.f[VI_GUEST_RIP], other, &s, NULL);
            vmx_vmwrite(vmx_field[i].enc, l2.f[i]);
            vmx_vmwrite(vmx_field[k].enc, l2.f[k]);
        }
        gt_line("%s.pair.%s.%u.%s: fail7 %lx fail8 %lx exit33 %lx entered %lx hash %lx", world,
                vmx_field[i].name, bit, vmx_field[k].name, s.fail7, s.fail8, s.refused, s.entered,
                s.hash);
    }
}

static void all_pairs(const char *world)
{
    for (unsigned c = 0; c < CONTROLS; c++) {
        for (unsigned bit = 0; bit < 32; bit++) {
            if (control[c].bits >> bit & 1)
                pairs_of(c, bit, world);
        }
    }
}

/* Secondary controls are on, so that their fields count. The timer bounds what a flip may start. */
static void prepare(enum l2_mode mode)
{
    l2_world(mode);
    l2.f[VI_PROC_CTL] |= PROC_SECONDARY;
    l2.f[VI_EPT_POINTER] = ARENA_AT(PG_FREE) | 6 | 3 << 3; /* legal, and maps nothing */
}

/* As many controls as go together. */
static void prepare_rich(void)
{
    u32 may2 = gt_rdmsr(MSR_VMX_PROC2) >> 32;

    ept_world(L2_64, 0);
    l2.f[VI_PIN_CTL] |= PIN_VIRTUAL_NMI;
    l2.f[VI_PROC_CTL] |= PROC_TPR_SHADOW | PROC_MSR_BITMAPS | PROC_TSC_OFFSET | PROC_CR3_LOAD;
    l2.f[VI_PROC2_CTL] |=
        may2 & (PROC2_APIC_ACCESS | PROC2_VPID | PROC2_UNRESTRICTED | PROC2_SHADOW | PROC2_EPT_VE);
    l2.f[VI_EXIT_CTL] |= EXIT_ACK_INTR | EXIT_SAVE_TIMER;
    l2.f[VI_VPID] = 0x5a;
    l2.f[VI_CR3_TARGET_COUNT] = 2;
    l2.f[VI_CR0_MASK] = CR0_TS | CR0_PG;
    l2.f[VI_CR4_MASK] = CR4_VMXE;
    l2.f[VI_TPR_THRESHOLD] = 4;
}

static void all_fields(const char *name)
{
    l2.f[VI_EPTP_LIST_ADDR] = l2.f[VI_VIRT_EXCEPTION_INFO] = ARENA_AT(PG_SCRATCH);
    l2.f[VI_PREEMPTION_TIMER] = 20000;
    l2_code("\x90\x50\x58", 3);
    l2_write();
    l2_enter(false);
    l2_report(name);
    l2_write_fields();
    for (int i = 0; i < VMX_FIELDS; i++) {
        if (eligible(i))
            field(i, name);
    }
}

TEST_MAIN(vmx_flips)
{
    static const enum l2_mode modes[] = {L2_64, L2_PAE, L2_V86};

    vmx_begin();
    if (vmx_on()) {
        if (ept_usable())
            (void)ept_invept(INVEPT_ALL, 0);
        l2_init();
        for (unsigned m = 0; m < sizeof modes / sizeof *modes; m++) {
            prepare(modes[m]);
            all_fields(l2_mode_name[modes[m]]);
            if (m == 0)
                all_pairs("64");
        }
        if (ept_usable()) {
            prepare_rich();
            all_fields("rich");
            all_pairs("rich");
        }
    }
    vmx_end();
}
