/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMRESUME after VMRESUME of one VMCS: each field in turn gets a value that an entry rule refuses,
 * by one VMWRITE and nothing else, then its old one again. Every entry is judged by what the VMCS
 * holds then, however often it was judged before. The second entry with the bad value must be
 * refused like the first.
 *
 * Right: The bad entry fails as the rule says: VMfail 7 or 8, or an exit with reason 33. The good
 * one behind it succeeds. SDM 3C 27.1 "Basic VM-Entry Checks"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

#define TOP (1ul << 62)
static const struct {
    const char *name;
    u16 field; /* VI_* */
    u64 flip;
} rows[] = {
    {"pin", VI_PIN_CTL, 1 << 1},
    {"proc", VI_PROC_CTL, 1 << 1},
    {"exit", VI_EXIT_CTL, 1 << 0},
    {"entry", VI_ENTRY_CTL, 1 << 0},
    {"cr3 targets", VI_CR3_TARGET_COUNT, 0x10},
    {"msr bitmap", VI_MSR_BITMAP, 8},
    {"msr area", VI_ENTRY_MSR_LOAD_COUNT, 1},
    {"event type", VI_ENTRY_INTR_INFO, INTR_VALID | INTR_RESERVED},
    {"host cr0", VI_HOST_CR0, CR0_NE},
    {"host cr3", VI_HOST_CR3, 1ul << 50},
    {"host pat", VI_HOST_PAT, 4},
    {"host efer", VI_HOST_EFER, 1 << 1},
    {"host cs", VI_HOST_CS_SEL, 4},
    {"host fs base", VI_HOST_FS_BASE, TOP},
    {"host size", VI_EXIT_CTL, EXIT_HOST_64},
    {"host rip", VI_HOST_RIP, TOP},
    {"guest cr0", VI_GUEST_CR0, CR0_PE},
    {"guest cr3", VI_GUEST_CR3, 1ul << 50},
    {"guest cr4", VI_GUEST_CR4, CR4_PAE},
    {"guest efer", VI_GUEST_EFER, EFER_LMA},
    {"guest pat", VI_GUEST_PAT, 4},
    {"guest dr7", VI_GUEST_DR7, 1ul << 32},
    {"guest sysenter", VI_GUEST_SYSENTER_ESP, TOP},
    {"guest ia32e", VI_ENTRY_CTL, ENTRY_IA32E},
    {"cs rights", VI_GUEST_CS_AR, 1 << 4},
    {"ss selector", VI_GUEST_SS_SEL, 3},
    {"tr base", VI_GUEST_TR_BASE, TOP},
    {"es limit", VI_GUEST_ES_LIMIT, 1},
    {"fs base", VI_GUEST_FS_BASE, TOP},
    {"gdtr limit", VI_GUEST_GDTR_LIMIT, 1 << 16},
    {"idtr base", VI_GUEST_IDTR_BASE, TOP},
    {"rflags fixed", VI_GUEST_RFLAGS, 1 << 1},
    {"rflags v86", VI_GUEST_RFLAGS, FLAG_VM},
    {"activity", VI_GUEST_ACTIVITY, 8},
    {"interruptibility", VI_GUEST_INTERRUPTIBILITY, 3},
    {"pending debug", VI_GUEST_PENDING_DEBUG, 1 << 4},
    {"link", VI_VMCS_LINK_PTR, 1},
};

static void enter_by(bool resume, const char *name, const char *what)
{
    static char line[60];
    bool failed = l2_enter(resume) == L2_VMFAIL;

    gt_format(line, sizeof line, "%s %s", name, what);
    if (failed)
        gt_line("%s: VMfail %lu", l2_one_word(line), l2_seen[VI_INSN_ERROR]);
    else
        gt_line("%s: exit %x rip %lx", l2_one_word(line), (u32)l2_seen[VI_EXIT_REASON],
                l2_seen[VI_GUEST_RIP]);
}

static void enter(const char *name, const char *what)
{
    enter_by(true, name, what);
}

static void run(unsigned i)
{
    u32 enc = vmx_field[rows[i].field].enc;
    u64 old = vmx_get(enc);

    vmx_vmwrite(enc, old ^ rows[i].flip);
    enter(rows[i].name, "bad");
    enter(rows[i].name, "still bad");
    vmx_vmwrite(enc, old);
    enter(rows[i].name, "good");
}

/* L2 leaves with another RIP and other flags of arithmetic; L1 then spoils a reserved flag.
 * RFLAGS with a reserved bit is exit reason 33, and the entry with the old value succeeds. SDM
 * 3C 27.3.1.4 "Checks on Guest RIP, RFLAGS, and SSP" */
static void left_by_l2(void)
{
    l2_world(L2_64);
    l2_code("\xf9\xb8\x01\x00\x00\x00", 6); /* STC; MOV EAX, 1 */
    l2_write();
    l2_enter(false);
    l2_report("left first");
    vmx_vmwrite(V_GUEST_RFLAGS, vmx_get(V_GUEST_RFLAGS) ^ 1 << 3);
    enter("left", "flags");
    vmx_vmwrite(V_GUEST_RFLAGS, vmx_get(V_GUEST_RFLAGS) ^ 1 << 3);
    enter("left", "flags back");
}

/* Two VMCSs in turn, one good and one bad: what was found of one says nothing of the other. The
 * entry of A succeeds, and the entry of B is refused. SDM 3C 27.1 "Basic VM-Entry Checks" */
static void other_vmcs(unsigned i)
{
    l2_world(L2_64);
    l2_code("", 0);
    l2_write();
    l2_enter(false);
    *(u32 *)arena(PG_VMCS_B) = *(u32 *)arena(PG_VMCS_A);
    vmx_vmclear(ARENA_AT(PG_VMCS_B));
    vmx_vmptrld(ARENA_AT(PG_VMCS_B));
    l2_write_fields();
    vmx_vmwrite(vmx_field[rows[i].field].enc, l2.f[rows[i].field] ^ rows[i].flip);
    vmx_vmptrld(ARENA_AT(PG_VMCS_A));
    enter("two one", rows[i].name);
    vmx_vmptrld(ARENA_AT(PG_VMCS_B));
    enter_by(false, "two other", rows[i].name);
    vmx_vmclear(ARENA_AT(PG_VMCS_B));
}

/* ---- an L1 that writes much of L2's state before each entry, and reads little ---------------- */

u64 vmx_trips(bool (*at_exit)(u64 number)) GT_HIDDEN;

enum { TRIPS = 200, SPOILED_EVERY = 6, CPUID_LENGTH = 2 };

static const struct {
    u16 field;
    u64 flip;
} spoils[] = {
    {VI_GUEST_FS_BASE, TOP},       {VI_GUEST_GS_BASE, TOP},        {VI_GUEST_TR_BASE, TOP},
    {VI_GUEST_CS_BASE, 1ul << 32}, {VI_GUEST_SS_BASE, 1ul << 33},  {VI_GUEST_GDTR_BASE, TOP},
    {VI_GUEST_IDTR_BASE, TOP},     {VI_GUEST_GDTR_LIMIT, 1 << 16}, {VI_GUEST_IDTR_LIMIT, 1 << 31},
    {VI_GUEST_SYSENTER_ESP, TOP},  {VI_GUEST_SYSENTER_EIP, TOP},   {VI_GUEST_TR_SEL, 4},
    {VI_GUEST_SS_SEL, 1},          {VI_GUEST_ES_LIMIT, 1},         {VI_GUEST_CS_LIMIT, 1 << 4},
    {VI_GUEST_CS_AR, 1 << 4},      {VI_GUEST_SS_AR, 1 << 5},       {VI_GUEST_TR_AR, 1 << 4},
    {VI_GUEST_ES_AR, 1 << 0},      {VI_GUEST_FS_AR, 1 << 7},       {VI_GUEST_DS_AR, 1 << 3},
};

static const u16 restored[] = {
    VI_GUEST_SYSENTER_CS, VI_GUEST_SYSENTER_ESP, VI_GUEST_SYSENTER_EIP, VI_GUEST_IDTR_BASE,
    VI_GUEST_GDTR_BASE,   VI_GUEST_IDTR_LIMIT,   VI_GUEST_GDTR_LIMIT,   VI_GUEST_CS_BASE,
    VI_GUEST_CS_LIMIT,    VI_GUEST_CS_SEL,       VI_GUEST_DS_BASE,      VI_GUEST_DS_LIMIT,
    VI_GUEST_DS_SEL,      VI_GUEST_ES_BASE,      VI_GUEST_ES_LIMIT,     VI_GUEST_ES_SEL,
    VI_GUEST_SS_BASE,     VI_GUEST_SS_LIMIT,     VI_GUEST_SS_SEL,       VI_GUEST_FS_BASE,
    VI_GUEST_FS_LIMIT,    VI_GUEST_FS_SEL,       VI_GUEST_GS_BASE,      VI_GUEST_GS_LIMIT,
    VI_GUEST_GS_SEL,      VI_GUEST_TR_BASE,      VI_GUEST_TR_LIMIT,     VI_GUEST_TR_SEL,
    VI_GUEST_LDTR_BASE,   VI_GUEST_LDTR_LIMIT,   VI_GUEST_LDTR_SEL,     VI_GUEST_CS_AR,
    VI_GUEST_DS_AR,       VI_GUEST_ES_AR,        VI_GUEST_SS_AR,        VI_GUEST_FS_AR,
    VI_GUEST_GS_AR,       VI_GUEST_TR_AR,        VI_GUEST_LDTR_AR,
};

static int spoiled; /* the row that L1 spoiled before this entry; -1: none */
static u32 good, refused;

/* What an exit left of all these fields. */
static u64 sum_of_state(void)
{
    u64 sum = 0;

    for (unsigned i = 0; i < sizeof restored / sizeof *restored; i++)
        sum = sum * 31 + vmx_get(vmx_field[restored[i]].enc);
    return sum;
}

static bool restores(u64 number)
{
    u64 reason = vmx_get(V_EXIT_REASON), rip = vmx_get(V_GUEST_RIP);
    unsigned row = number / SPOILED_EVERY % (sizeof spoils / sizeof *spoils);

    if (spoiled >= 0 || (u32)reason != REASON_CPUID) {
        gt_line("restores %lu: %s: exit %x sum %lx", number,
                spoiled >= 0 ? vmx_field[spoils[spoiled].field].name : "none", (u32)reason,
                sum_of_state());
    }
    if ((u32)reason == REASON_CPUID) {
        good++;
        vmx_vmwrite(V_GUEST_RIP, rip + CPUID_LENGTH);
    } else {
        refused++;
    }
    for (unsigned i = 0; i < sizeof restored / sizeof *restored; i++)
        vmx_vmwrite(vmx_field[restored[i]].enc, l2.f[restored[i]]);
    vmx_vmwrite(V_GUEST_FS_BASE, number << 12);
    spoiled = number % SPOILED_EVERY == 0 ? (int)row : -1;
    if (spoiled >= 0)
        vmx_vmwrite(vmx_field[spoils[row].field].enc,
                    vmx_get(vmx_field[spoils[row].field].enc) ^ spoils[row].flip);
    return number < TRIPS;
}

/* Reserved bits of access rights, written among much else: CAVEAT(vmwrite-ar-reserved).
 * SDM 3C 25.4.1 "Guest Register State" */
static bool reserves(u64 number)
{
    u32 reason = (u32)vmx_get(V_EXIT_REASON);

    gt_check(!gt_under_nidus() || reason == REASON_CPUID, "entry %lu: exit %x", number, reason);
    gt_check(vmx_get(V_GUEST_SS_AR) == l2.f[VI_GUEST_SS_AR], "ss rights %lu", number);
    if (number > 1)
        gt_line("reserved.%lu: exit %x rights %lx %lx", number, reason, vmx_get(V_GUEST_DS_AR),
                vmx_get(V_GUEST_SS_AR));
    if (reason == REASON_CPUID)
        vmx_vmwrite(V_GUEST_RIP, vmx_get(V_GUEST_RIP) + CPUID_LENGTH);
    for (unsigned i = 0; i < sizeof restored / sizeof *restored; i++)
        vmx_vmwrite(vmx_field[restored[i]].enc, l2.f[restored[i]]);
    vmx_vmwrite(V_GUEST_FS_BASE, number << 12);
    if (number > 2 && number % 2 == 1)
        vmx_vmwrite(V_GUEST_DS_AR, l2.f[VI_GUEST_DS_AR] | 0xf00 | 1ul << 31);
    u64 rights = vmx_get(V_GUEST_DS_AR);
    gt_check(!gt_under_nidus() || rights == l2.f[VI_GUEST_DS_AR], "rights: %lx", rights);
    gt_line("reserved.%lu.written: rights %lx", number, rights);
    return number < 6;
}

/* An entry with one of the fields spoiled is exit reason 33, however many went well before; the
 * next, with all of them restored, succeeds. SDM 3C 27.3.1 "Checks on the Guest State Area" */
static void all_state(void)
{
    l2_world(L2_64);
    l2.f[VI_PROC_CTL] |= PROC_MSR_BITMAPS;
    l2_code("\x31\xc0\x0f\xa2\xeb\xfa", 6); /* again: XOR EAX, EAX; CPUID; JMP again */
    l2_write();
    spoiled = -1;
    gt_line("restores: VMfail %lu", vmx_trips(restores));
    gt_line("restores: %u good %u refused", good, refused);
    vmx_vmclear(ARENA_AT(PG_VMCS_A));
    vmx_vmptrld(ARENA_AT(PG_VMCS_A));
    gt_check(vmx_trips(reserves) == 0, "reserved: VMfail");
    l1_state_restore();
}

TEST_MAIN(vmx_again)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        l2_world(L2_64);
        l2.f[VI_PROC_CTL] |= PROC_MSR_BITMAPS;
        l2.f[VI_ENTRY_MSR_LOAD_ADDR] |= 8; /* of no entries: any address will do */
        l2_code("", 0);
        l2_write();
        l2_enter(false);
        l2_report("first");
        for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
            run(i);
        left_by_l2();
        for (unsigned i = 0; i < sizeof rows / sizeof *rows; i += 4)
            other_vmcs(i);
        all_state();
    }
    vmx_end();
}
