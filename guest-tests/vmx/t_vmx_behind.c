/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands in a VMCS some exits after its launch, and what L2 reaches then. The exits before the
 * question are handled without it, because L0 leaves L2's state where it is as long as nobody asks.
 */
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_shadow.h"

u64 vmx_bench(u64 exits, u64 reason, u8 *edit, u64 loops) GT_HIDDEN;

enum {
    EXITS = 3,
    MANY = 40,
    LONG = 0x7fffffff,
    SAVES = EXIT_SAVE_DEBUG | EXIT_SAVE_EFER | EXIT_SAVE_PAT | EXIT_SAVE_TIMER,
};

#define BEGIN_TRIP "\x31\xc0\x0f\xa2" /* XOR EAX, EAX; CPUID, L1's exit */

/* Before each VMRESUME the highest bit of *edit changes. */
static void trips(const char *name, u64 exits, u8 *edit, bool judged)
{
    u64 t = vmx_bench(exits, REASON_CPUID, edit, 0);

    gt_check(!judged || t != 0, "%s: exit %lx", name, vmx_get(V_EXIT_REASON));
}

/* So many exits without a question that nothing is left of what the last case taught L0 about this
 * VMCS: L1's next question may come behind each exit. */
static void calm(void)
{
    l2_world(L2_64);
    l2.f[VI_PREEMPTION_TIMER] = LONG;
    l2_code(BEGIN_TRIP "\xeb\xfa", 6);
    l2_write();
    trips("calm", MANY, arena(PG_SCRATCH), true);
    l1_state_restore();
}

static void tell(const char *name, const char *when, u64 timer)
{
    u64 left = vmx_get(V_PREEMPTION_TIMER);

    gt_line("%s.%s: dr7 %lx debugctl %lx efer %lx pat %lx timer %s", name, when,
            vmx_get(V_GUEST_DR7), vmx_get(V_GUEST_DEBUGCTL), vmx_get(V_GUEST_EFER),
            vmx_get(V_GUEST_PAT),
            left == timer  ? "as it was"
            : left < timer ? "less"
                           : "more");
}

/* An exit saves DR7, DEBUGCTL, EFER, PAT and the timer or not, by the controls of that moment; that
 * L1 changes the controls afterwards changes nothing, and what L1 writes stays.
 * SDM 3C 28.3.1 "Saving Control Registers, Debug Registers, and MSRs" */
static void controls(u32 off, u32 not_loaded, const char *name)
{
    calm();
    l2_world(L2_64);
    l2.f[VI_PREEMPTION_TIMER] = LONG;
    l2.f[VI_EXIT_CTL] |= EXIT_SAVE_TIMER;
    l2.f[VI_EXIT_CTL] &= ~(u64)off;
    l2.f[VI_ENTRY_CTL] &= ~(u64)not_loaded;
    if (not_loaded) {
        l2.f[VI_GUEST_EFER] = EFER_LME | EFER_LMA | 1;
        l2.f[VI_GUEST_PAT] = 0x0606060606060606;
    }
    /* MOV EAX, 0x455; MOV DR7, RAX; back */
    l2_code(BEGIN_TRIP "\xb8\x55\x04\x00\x00\x0f\x23\xf8\xeb\xf2", 14);
    l2_write();
    trips(name, EXITS, arena(PG_SCRATCH), true);
    tell(name, "first", LONG);
    vmx_vmwrite(V_EXIT_CTL, vmx_get(V_EXIT_CTL) ^ SAVES);
    tell(name, "other controls", LONG);
    vmx_vmclear(ARENA_AT(PG_VMCS_A));
    vmx_vmptrld(ARENA_AT(PG_VMCS_A));
    trips(name, EXITS, arena(PG_SCRATCH), true);
    vmx_vmwrite(V_GUEST_DR7, 0x401);
    vmx_vmwrite(V_GUEST_EFER, EFER_LME | EFER_LMA);
    vmx_vmwrite(V_GUEST_PAT, 0x0706050406050406);
    vmx_vmwrite(V_PREEMPTION_TIMER, LONG / 2);
    tell(name, "written", LONG / 2);
    vmx_vmwrite(V_EXIT_CTL, vmx_get(V_EXIT_CTL) ^ SAVES);
    tell(name, "written, other controls", LONG / 2);
    l1_state_restore();
}

/* L2's VMREAD and VMWRITE in a VMCS that L1 shadows for it, in rounds behind a VMRESUME. */
static void shadowed(const char *name, const char *code, size_t len, u8 *edit, u64 field)
{
    u64 v = 0;

    calm();
    shadow_world(L2_64);
    shadow_fill();
    l2.f[VI_PREEMPTION_TIMER] = LONG;
    l2_code(code, len);
    l2_write();
    trips(name, EXITS, edit, false);
    gt_line("%s: reason %lx rip %lx", name, vmx_get(V_EXIT_REASON),
            vmx_get(V_GUEST_RIP) - L2_AT(P_CODE));
    l1_state_restore();
    vmx_vmptrld(ARENA_AT(PG_VMCS_C));
    vmx_vmread(field, &v);
    vmx_vmptrld(ARENA_AT(PG_VMCS_A));
    gt_line("%s: left %lx", name, v);
}

/* VMREAD R, RCX; INC R; VMWRITE RCX, R */
#define PLUS_1(rex, rex_w, reg, inc) rex "\x0f\x78" reg rex_w "\xff" inc rex "\x0f\x79" reg
#define READ_RDX                     "\x0f\x78\xca"
#define WRITE_RDX                    "\x0f\x79\xca"
/* Each register, of which those that L1's handler uses are kept in R8. L1 finds the sum. */
/* clang-format off */
static const char registers[] =
    "\xb9\x14\x68\x00\x00" /* MOV ECX, GUEST_TR_BASE */
    PLUS_1("", "\x48", "\xca", "\xc2")                                   /* RDX */
    PLUS_1("", "\x48", "\xcb", "\xc3")                                   /* RBX */
    "\x49\x89\xe8" PLUS_1("", "\x48", "\xcd", "\xc5")                    /* RBP */
    "\x89\xcd\x0f\x78\xea\x48\xff\xc2\x0f\x79\xea"                       /* RBP names the field */
    "\x4c\x89\xc5"                                                       /* MOV RBP, R8 */
    "\x4d\x89\xe0" PLUS_1("\x41", "\x49", "\xcc", "\xc4") "\x4d\x89\xc4" /* R12 */
    "\x4d\x89\xe8" PLUS_1("\x41", "\x49", "\xcd", "\xc5") "\x4d\x89\xc5" /* R13 */
    "\x4d\x89\xf0" PLUS_1("\x41", "\x49", "\xce", "\xc6") "\x4d\x89\xc6" /* R14 */
    PLUS_1("\x41", "\x49", "\xcf", "\xc7")                               /* R15 */
    PLUS_1("", "\x48", "\xcc", "\xc4")                                   /* RSP */
    BEGIN_TRIP "\xe9\x7f\xff\xff\xff";                                   /* back */
/* clang-format on */

/* The bit of GUEST_EFER's high half is the highest of its byte in each bitmap. It is clear at the
 * launch and set when L2 goes on. */
#define HIGH_HALF "\xb9\x07\x28\x00\x00" /* MOV ECX, the encoding */
enum { BITMAP_BYTE = 0x2807 / 8 };

#define SHADOWED(name, code, page) \
    shadowed(name, code, sizeof(code) - 1, (u8 *)arena(page) + BITMAP_BYTE, V_GUEST_EFER)

static void bitmaps(void)
{
    SHADOWED("read bit", HIGH_HALF READ_RDX "\xff\xc2" WRITE_RDX BEGIN_TRIP "\xeb\xed",
             PG_VMREAD_BITMAP);
    SHADOWED("write bit", HIGH_HALF READ_RDX "\xff\xc2" WRITE_RDX BEGIN_TRIP "\xeb\xed",
             PG_VMWRITE_BITMAP);
    SHADOWED("write bit, read", HIGH_HALF READ_RDX BEGIN_TRIP "\xeb\xf2", PG_VMWRITE_BITMAP);
    SHADOWED("read bit, write", HIGH_HALF "\xba\x05\x00\x00\x00" WRITE_RDX BEGIN_TRIP "\xeb\xed",
             PG_VMREAD_BITMAP);
}

TEST_MAIN(vmx_behind)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        controls(0, 0, "saved");
        controls(SAVES, 0, "not saved");
        controls(SAVES, ENTRY_LOAD_EFER | ENTRY_LOAD_PAT, "not loaded");
        controls(EXIT_SAVE_DEBUG, ENTRY_LOAD_EFER | ENTRY_LOAD_PAT, "no debug");
        controls(EXIT_SAVE_EFER, ENTRY_LOAD_EFER | ENTRY_LOAD_PAT, "no efer");
        controls(EXIT_SAVE_PAT, ENTRY_LOAD_EFER | ENTRY_LOAD_PAT, "no pat");
        controls(EXIT_SAVE_TIMER, 0, "no timer");
        if (vmx_has2(PROC2_SHADOW)) {
            shadowed("registers", registers, sizeof registers - 1, arena(PG_SCRATCH),
                     V_GUEST_TR_BASE);
            bitmaps();
        }
    }
    vmx_end();
}
