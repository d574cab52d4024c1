/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every register of the APIC-access page and every x2APIC MSR, read and written by L2, under each
 * combination of the controls that virtualize the APIC. A line has the answers in order of the
 * registers, equal neighbours together: "ok", an exit reason, or the vector of an exception; then a
 * hash of the values read and of what the virtual-APIC page holds afterwards.
 *
 * Right: A register that the controls virtualize is answered from the virtual-APIC page or exits
 * behind the access (45, 56); another access to the page exits with reason 44, and an MSR that is
 * not virtualized is the processor's own. SDM 3C 30.1 "Virtual APIC State", SDM 3C 30.3
 * "Virtualizing CR8-Based TPR Accesses"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

enum { REGISTERS = 256, X2APIC_FIRST = 0x800, CLASS_OK = 0, CLASS_EXCEPTION = 100 };

static u64 hash;
static u8 class[REGISTERS];

static void mix(u64 v)
{
    hash = (hash ^ v) * 0x100000001b3;
}

static u8 class_of(void)
{
    u64 reason = l2_seen[VI_EXIT_REASON], info = 0;

    if (reason != REASON_EXCEPTION)
        return (u8)(reason == REASON_VMCALL ? CLASS_OK : reason);
    vmx_vmread(V_EXIT_INTR_INFO, &info);
    return (u8)(CLASS_EXCEPTION + (info & 0xff));
}

/* Equal neighbours together: "ok*8 44*3 #14". */
static void tell(const char *what, const char *name)
{
    char line[300];
    size_t used = 0;

    for (unsigned i = 0, n; i < REGISTERS; i += n) {
        for (n = 1; i + n < REGISTERS && class[i + n] == class[i];)
            n++;
        if (class[i] >= CLASS_EXCEPTION)
            used += gt_format(line + used, sizeof line - used, " #%u", class[i] - CLASS_EXCEPTION);
        else if (class[i] == CLASS_OK)
            used += gt_format(line + used, sizeof line - used, " ok");
        else
            used += gt_format(line + used, sizeof line - used, " %u", class[i]);
        if (n > 1)
            used += gt_format(line + used, sizeof line - used, "*%u", n);
    }
    gt_line("%s.%s:%s hash %lx", what, name, line, hash);
}

/* The page as software finds it: each register another value, no priority in the way. */
static void fill(void)
{
    u32 *page = arena(PG_VAPIC);

    SetMem(page, 4096, 0);
    for (u32 i = 0; i < REGISTERS; i++)
        page[i * 4] = i < 8 || i > 0x27 ? i * 0x01010100u : 0;
}

static void mix_page(void)
{
    const u32 *page = arena(PG_VAPIC);

    for (unsigned i = 0; i < REGISTERS; i++)
        mix(page[i * 4]);
}

/* One run of the code at RIP. The VMCS was entered before, and an access leaves nothing in it that
 * counts but the guest interrupt status, which starts at 0. */
static void one(unsigned i)
{
    fill();
    vmx_vmwrite(V_GUEST_INTR_STATUS, 0);
    vmx_vmwrite(V_GUEST_RFLAGS, l2.f[VI_GUEST_RFLAGS]);
    l2_again(l2.f[VI_GUEST_RIP]);
    class[i] = class_of();
    mix(l2_seen[VI_EXIT_REASON]);
    mix(class[i] == CLASS_OK ? l2_seen_gpr[RAX] : l2_seen[VI_EXIT_QUALIFICATION]);
    mix_page();
}

struct controls {
    const char *name;
    u32 proc, proc2;
};

static void start(const struct controls *c, const char *code, size_t len)
{
    hash = 0xcbf29ce484222325;
    l2_world(L2_64);
    l2.f[VI_PROC_CTL] |= c->proc | PROC_SECONDARY | PROC_MSR_BITMAPS;
    l2.f[VI_PROC2_CTL] |= c->proc2;
    SetMem(arena(PG_MSR_BITMAP), 4096, 0);
    fill();
    l2_code("", 0);
    l2_write();
    l2_enter(false);
    l2_code(code, len);
}

/* RBX is the register's address, RAX what is written. */
static void memory(const struct controls *c, const char *what, const char *code, size_t len, u64 in)
{
    start(c, code, len);
    for (unsigned i = 0; i < REGISTERS; i++) {
        l2.gpr[RBX] = L2_AT(P_APIC) + i * 16 + in;
        l2.gpr[RAX] = 0x31 + i;
        one(i);
    }
    l1_state_restore();
    tell(what, c->name);
}

static void msrs(const struct controls *c, const char *what, const char *code, u64 rdx, u64 rax)
{
    start(c, code, 2);
    for (unsigned i = 0; i < REGISTERS; i++) {
        l2.gpr[RCX] = X2APIC_FIRST + i;
        l2.gpr[RAX] = rax;
        l2.gpr[RDX] = rdx;
        one(i);
    }
    l1_state_restore();
    tell(what, c->name);
}

#define TPR    PROC_TPR_SHADOW
#define ACCESS PROC2_APIC_ACCESS
#define REGS   PROC2_APIC_REGISTERS
#define INTR   PROC2_VIRTUAL_INTR

static const struct controls page[] = {
    {"access", 0, ACCESS},
    {"access shadow", TPR, ACCESS},
    {"access shadow registers", TPR, ACCESS | REGS},
    {"access shadow delivery", TPR, ACCESS | INTR},
    {"access shadow registers delivery", TPR, ACCESS | REGS | INTR},
};

static const struct controls x2apic[] = {
    {"nothing", 0, 0},
    {"shadow", TPR, 0},
    {"shadow registers", TPR, REGS},
    {"shadow delivery", TPR, INTR},
    {"x2apic", TPR, PROC2_X2APIC},
    {"x2apic registers", TPR, PROC2_X2APIC | REGS},
    {"x2apic delivery", TPR, PROC2_X2APIC | INTR},
    {"x2apic registers delivery", TPR, PROC2_X2APIC | REGS | INTR},
};

static bool offered(const struct controls *c)
{
    return vmx_has2(c->proc2) && (gt_rdmsr(MSR_VMX_TRUE_PROC) >> 32 & c->proc) == c->proc;
}

#define MEMORY(C, WHAT, CODE, IN) memory(C, WHAT, CODE, sizeof(CODE) - 1, IN)

static void all(void)
{
    l2_init();
    for (unsigned k = 0; k < sizeof page / sizeof *page; k++) {
        if (!offered(&page[k]))
            continue;
        MEMORY(&page[k], "read", "\x8b\x03", 0);
        MEMORY(&page[k], "read byte 3", "\x8a\x03", 3);
        MEMORY(&page[k], "read qword", "\x48\x8b\x03", 0);
        MEMORY(&page[k], "read across", "\x8b\x03", 2);
        MEMORY(&page[k], "write", "\x89\x03", 0);
        MEMORY(&page[k], "write byte", "\x88\x03", 0);
        MEMORY(&page[k], "write beside", "\x89\x03", 4);
        MEMORY(&page[k], "modify", "\x09\x03", 0);
    }
    for (unsigned k = 0; k < sizeof x2apic / sizeof *x2apic; k++) {
        if (!offered(&x2apic[k]))
            continue;
        msrs(&x2apic[k], "rdmsr", "\x0f\x32", 0, 0);
        msrs(&x2apic[k], "wrmsr", "\x0f\x30", 0, 0x31);
        msrs(&x2apic[k], "wrmsr 0", "\x0f\x30", 0, 0);
        msrs(&x2apic[k], "wrmsr high", "\x0f\x30", 1, 0);
    }
}

TEST_MAIN(vmx_apic_sweep)
{
    vmx_begin();
    if (vmx_on())
        all();
    vmx_end();
}
