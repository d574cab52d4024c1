/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Launch states, current pointers and VMXON cycles as small scripts over three VMCSs, one line
 * each. An operation is a letter, those on a VMCS followed by A, B or C:
 *   c VMCLEAR, p VMPTRLD, w write a valid image, l VMLAUNCH, r VMRESUME, s VMPTRST, o VMXON,
 *   x VMXOFF, z zero the region and set its revision.
 * The line shows each operation's outcome: + ok, i VMfailInvalid, a number VMfailValid, e an exit.
 *
 * Right: VMLAUNCH wants a clear VMCS (else 4), VMRESUME a launched one (else 5), and either wants
 * a current one (else VMfailInvalid). SDM 3C 31.4 "VM Instruction Error Numbers"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

static const char *const scripts[] = {
    "l r",     /* nothing current */
    "cA pA l", /* a fresh VMCS has no valid contents, but is clear */
    "cA pA w l l r r",
    "cA pA r", /* never launched */
    "cA pA w r l r",
    "cA pA w l cA l r", /* cleared while current: nothing current */
    "cA pA w l cA pA r l r",
    "cA cB pA w l pB w l pA r pB r pA l",
    "cA cB cC pA w l pB w l pC w l pA r pB r pC r pA r",
    "cA cB pA w pB w pA l pB r",
    "cA cB pA w l pB w l cA r pA r l",
    "cA cB pA w l pB w cB cA pA l pB w l",
    "pA pA sA w l pA r sA",
    "cA cA cA pA w l r",
    "cB pA w l cB r",               /* clearing another one changes nothing */
    "cA pA w l x l r o l r pA r l", /* the pointer is lost with VMXOFF */
    "cA pA w l cA x o pA w l r",
    "x x",
    "o o x o o",
    "sA pA sA cA sA pB sB cA sB cB sB",
    "cA pA w cA zA cA pA l",
    "cA pA w cA pA l r", /* what was written survives VMCLEAR */
    "pA w l pB pA r",
    "pA cA pA cA pB w l pA w l pB r pA r cA cB",
};

static unsigned page_of(char name)
{
    return PG_VMCS_A + (unsigned)(name - 'A');
}

static u32 revision(void)
{
    return (u32)gt_rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
}

static void zero_region(unsigned page)
{
    SetMem(arena(page), 4096, 0);
    *(u32 *)arena(page) = revision();
}

static char status_text(enum vmx_status s)
{
    return s == VMX_OK ? '+' : s == VMX_FAIL_INVALID ? 'i' : 'v';
}

/* Prints into out; returns the length. */
static size_t outcome(char *out, size_t room, enum vmx_status s)
{
    if (s == VMX_FAIL_VALID)
        return gt_format(out, room, " %lu", vmx_get(V_INSN_ERROR));
    return gt_format(out, room, " %c", status_text(s));
}

static size_t enter(char *out, size_t room, bool resume)
{
    if (l2_enter(resume) == L2_EXIT)
        return gt_format(out, room, " e%lu", vmx_get(V_EXIT_REASON));
    return outcome(out, room, l2_seen_rflags & FLAG_CF ? VMX_FAIL_INVALID : VMX_FAIL_VALID);
}

/* The stored pointer as the VMCS's letter. */
static size_t store(char *out, size_t room)
{
    u64 at = 0;
    enum vmx_status s = vmx_vmptrst(&at);

    if (s != VMX_OK)
        return outcome(out, room, s);
    if (at >= ARENA_AT(PG_VMCS_A) && at <= ARENA_AT(PG_VMCS_C))
        return gt_format(out, room, " %c", (int)('A' + (at - ARENA_AT(PG_VMCS_A)) / 4096));
    return gt_format(out, room, " %lx", at);
}

/* VMXOFF and VMXON are only tried where they are not #UD: the environment follows by hand. */
static bool in_vmx;

static size_t cycle(char *out, size_t room, char op)
{
    enum vmx_status s;

    if (op == 'x' && !in_vmx)
        return gt_format(out, room, " -");
    s = op == 'x' ? vmx_vmxoff() : vmx_vmxon(ARENA_AT(PG_VMXON));
    if (s == VMX_OK)
        in_vmx = op == 'o';
    return outcome(out, room, s);
}

static size_t step(char *out, size_t room, char op, char which)
{
    u64 at = ARENA_AT(page_of(which));

    if (op == 'o' || op == 'x')
        return cycle(out, room, op);
    if (!in_vmx)
        return gt_format(out, room, " -");
    switch (op) {
    /* clang-format off */
    case 'c': return outcome(out, room, vmx_vmclear(at));
    case 'p': return outcome(out, room, vmx_vmptrld(at));
    case 's': return store(out, room);
    case 'z': zero_region(page_of(which)); return 0;
    case 'w': l2_write_fields(); return 0;
    default: return enter(out, room, op == 'r');
        /* clang-format on */
    }
}

static void run(unsigned number, const char *script)
{
    char text[256];
    size_t n = 0;

    if (!in_vmx)
        cycle(text, sizeof text, 'o');
    for (char name = 'A'; name <= 'C'; name++) {
        vmx_vmclear(ARENA_AT(page_of(name)));
        zero_region(page_of(name));
    }
    l2_world(L2_64);
    l2_code("", 0);
    for (const char *p = script; *p; p++) {
        if (*p != ' ' && !(*p >= 'A' && *p <= 'C'))
            n += step(text + n, sizeof text - n, *p, p[1] >= 'A' && p[1] <= 'C' ? p[1] : 'A');
    }
    text[n] = 0;
    gt_line("script_%u: %s =%s", number, script, text);
}

/* Bytes behind the size that IA32_VMX_BASIC reports belong to nobody: they stay. The count of
 * changed ones is printed. SDM 3D A.1 "Basic VMX Information" */
static void page_bytes(void)
{
    unsigned size = gt_rdmsr(MSR_VMX_BASIC) >> 32 & 0x1fff, changed = 0;
    u8 *page = arena(PG_VMCS_A);

    vmx_vmclear(ARENA_AT(PG_VMCS_A));
    zero_region(PG_VMCS_A);
    for (unsigned i = size; i < 4096; i++)
        page[i] = (u8)(i * 7);
    vmx_vmptrld(ARENA_AT(PG_VMCS_A));
    l2_write_fields();
    l2_enter(false);
    vmx_vmclear(ARENA_AT(PG_VMCS_A));
    for (unsigned i = size; i < 4096; i++)
        changed += page[i] != (u8)(i * 7);
    gt_line("page_bytes: %u changed behind the region, revision %s, abort %x", changed,
            *(u32 *)page == revision() ? "kept" : "lost", ((u32 *)page)[1]);
}

TEST_MAIN(vmx_launch)
{
    vmx_begin();
    if (vmx_on()) {
        in_vmx = true;
        l2_init();
        for (unsigned i = 0; i < sizeof scripts / sizeof *scripts; i++)
            run(i, scripts[i]);
        if (!in_vmx)
            vmx_vmxon(ARENA_AT(PG_VMXON));
        page_bytes();
    }
    vmx_end();
}
