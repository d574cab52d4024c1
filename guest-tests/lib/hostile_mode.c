/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hostile L1 in other modes: snippets in real, virtual-8086 and 32-bit modes, task switches
 * with hostile TSSs and descriptors, and a whole 32-bit L1 that runs VMX instructions. All begin
 * and end outside VMX operation.
 */
#include "guest-tests/lib/gt_task.h"
#include "guest-tests/lib/hostile.h"
#include "guest-tests/lib/vmx_pm32.h"

/* clang-format off */
#define SNIPPETS(X)                                                                          \
                                                                                             \
    X(nop)                                                                                   \
    X(cpuid) X(cpuid_ud) X(rdmsr) X(wrmsr) X(xgetbv) X(wbinvd) X(getsec) X(vmcall) X(vmxoff) \
        X(vmread) X(smsw) X(readcr) X(sti_cpuid) X(movss_cpuid) X(step) X(div) X(ud) X(int3) \
            X(int) X(gp) X(invpcid) X(rdtscp)
/* clang-format on */
#define X(NAME) GT_MODE_SNIPPET(NAME);
SNIPPETS(X)
#undef X

static const struct {
    const char *name, *s32, *s16;
} snippets[] = {
#define X(NAME) {#NAME, gt_mode_##NAME##32, gt_mode_##NAME##16},
    SNIPPETS(X)
#undef X
};

/* Real mode's vectors in a page of the hole that nobody has touched, perhaps: L0 has to deliver
 * the event again. */
static u32 strange_ivt(void)
{
    u64 at = h.hole.base + (8 + h_below(h.hole.size / 4096 - 8)) * 4096;
    u64 *from = (u64 *)gt_mode_ivt(), *to = (u64 *)(h.hole.real ? h.hole.base + 2 * 4096 : at);

    for (unsigned i = 0; i < 128; i++) {
        ((u64 *)arena(PG_H_KEPT))[i] = to[i];
        to[i] = from[i];
    }
    gt_mode_use_ivt((u32)at);
    return (u32)(u64)to;
}

static void snippet(void)
{
    /* CAVEAT(cpuid-known) */
    static const u32 seven[] = {~0u, 0xfdbfbffb, 0x1a405f7f, 0xbfc1ef1c};
    static const u32 leaves[] = {0, 7, 0xd, 0x80000001},
                     msrs[] = {0xc0000080, 0x277, 0xfe, 0x480 + 5, 0x3a};
    unsigned k = (unsigned)h_below(sizeof snippets / sizeof *snippets);
    enum gt_mode mode = (enum gt_mode)h_below(GT_MODES);
    u32 buffer = (u32)ARENA_AT(PG_SCRATCH), cpuid = leaves[h_below(4)], moved = 0;
    bool leaf =
        snippets[k].name[0] == 'c' || snippets[k].name[0] == 's' || snippets[k].name[0] == 'm';
    u32 in[6] = {leaf ? cpuid : (u32)h_below(3), 2, leaf ? 0 : msrs[h_below(5)], 4, 0, buffer};
    const struct gt_mode_block *b;

    gt_mode_default_gates(); /* a task before it left gates of its own */
    if (mode == GT_MODE_REAL && h_chance(50))
        moved = strange_ivt();
    h_note(" %s %s%s", gt_mode_name(mode), snippets[k].name, moved ? " ivt in the hole" : "");
    h_announce();
    b = gt_mode_run(mode, snippets[k].s32, snippets[k].s16, in);
    h_see("vector", b->vector);
    h_see("error", b->error);
    h_see("eip", b->vector == GT_NONE ? 0 : b->eip);
    h_see("flags", b->flags);
    for (unsigned i = 0; i < 4; i++)
        h_see("out", leaf && cpuid == 7 ? b->out[i] & seven[i] : b->out[i]);
    if (!moved)
        return;
    for (unsigned i = 0; i < 128; i++)
        ((u64 *)(u64)moved)[i] = ((u64 *)arena(PG_H_KEPT))[i];
    gt_mode_use_ivt(gt_mode_base() + (u32)((u8 *)gt_mode_ivt() - (u8 *)(u64)gt_mode_base()));
}

static enum gt_mode task_mode;

/* One thing is wrong with the switch. Before its commit the old task gets the exception, behind it
 * the new one, by task gates in any case. */
static void bend_task(void)
{
    static const u16 selectors[] = {0,           GT_DATA,    GT_CODE32,    GT_CODE32 | 3,
                                    GT_DATA | 3, GT_UDATA,   GT_UDATA | 3, GT_GDT_SIZE,
                                    GT_DATA | 4, GT_TASK_OLD};
    u16 sel = selectors[h_below(10)];
    u64 *gdt = &gt_gdt[GT_TASK_NEW / 8], kind = h_below(10);

    gt_task_rescue_all();
    h_note(" task %lu selector %x", kind, sel);
    switch (kind) {
    /* clang-format off */
    case 0: gt_task.new32->cs = sel; break;
    case 1: gt_task.new32->ds = sel; break;
    case 2: gt_task.new32->es = gt_task.new32->fs = sel; break;
    case 3: gt_task.new32->gs = sel; break;
    case 4: gt_task.new32->ldt = sel; break;
    case 5: *gdt ^= 1ul << (40 + h_below(8)); break;
    case 6: *gdt = (*gdt & ~0xfffful) | h_below(0x70); break;
    case 7: gt_task.target = h_chance(50) ? sel : GT_TASK_GATE; break;
    case 8: gt_task.new32->ss = sel; break;
    /* clang-format on */
    default:
        /* a virtual-8086 task. A CR3 that cannot be loaded is left out: with PAE paging it is the
         * end of the machine. */
        if (task_mode != GT_MODE_PAE)
            gt_task.new32->cr3 = gt_task.other_cr3 = (u32)ARENA_AT(PG_H_EMPTY);
        gt_task.new32->eflags |= h_chance(50) ? (u32)FLAG_VM : 0;
        break;
    }
    gt_lines_to(NULL);
    h_announce();
    gt_lines_to(h_words);
}

static void task(void)
{
    static const struct gt_task_case cases[] = {
        {"jmp", "jmp", gt_mode_task_jmp32, gt_mode_task_jmp16, gt_mode_task_new_ud32,
         gt_mode_task_new_ud16, bend_task},
        {"call", "call", gt_mode_task_call32, gt_mode_task_call16, gt_mode_task_new_ud32,
         gt_mode_task_new_ud16, bend_task},
    };
    static const u8 modes[] = {GT_MODE_PROTECTED, GT_MODE_PAE, GT_MODE_PAE};

    gt_lines_to(h_words);
    task_mode = (enum gt_mode)modes[h_below(3)];
    gt_task_run(&cases[h_below(2)], task_mode, false, false);
    gt_lines_to(NULL);
}

void h_step_mode(void)
{
    h_leave_vmx();
    vmx_leave();
    if (h_chance(60))
        snippet();
    else
        task();
    l1_state_restore();
}

/* ---- the 32-bit L1 of vmx_pm32.asm ----------------------------------------------------------- */

enum { PM32_STEPS = 10, PM32_RETURNED = 0x1ff };

static void pm32_tables(void)
{
    u64 *pdpt = arena(PG_H_PDPT), *idt = arena(PG_H_IDT);

    for (unsigned i = 0; i < 4; i++)
        pdpt[i] = ARENA_AT(PG_L1_TABLES + 2 + i) | 1;
    for (u64 v = 0; v < 32; v++) {
        u64 at = (u64)pm32_stubs + v * 16;

        idt[v] = (at & 0xffff) | (u64)SEL_CODE32 << 16 | 0x8eul << 40 | (at >> 16 & 0xffff) << 48;
    }
}

/* VMX instructions with 32-bit operands on what EAX points at; VMXON is the first,
 * VMXOFF the last. */
static void pm32_step(struct pm32_step *s, unsigned n, u32 *code_at)
{
    static const struct {
        const char *code;
        u8 len;
        bool memory;
    } insns[] = {
        {"\xf3\x0f\xc7\x30", 4, true},
        {"\x66\x0f\xc7\x30", 4, true},
        {"\x0f\xc7\x30", 3, true},
        {"\x0f\xc7\x38", 3, true},
        {"\x0f\x79\xc8", 3, false},
        {"\x0f\x78\xc8", 3, false},
        {"\x0f\x01\xc3", 3, false},
        {"\x66\x0f\x38\x80\x08", 5, true},
        {"\x66\x0f\x38\x81\x08", 5, true},
        {"\x0f\x01\xc2", 3, false},
        {"\x0f\xa2", 2, false},
    };
    unsigned k = n == 0 ? 0 : 1 + (unsigned)h_below(10);
    bool last = n == PM32_STEPS - 1;
    u8 *at = (u8 *)(u64)*code_at;

    *s = (struct pm32_step){.code = *code_at,
                            .edx = SEL_DATA,
                            .ecx = h_chance(60) ? vmx_field[h_any_field()].enc : (u32)h_below(5)};
    if (s->ecx == V_HOST_RIP || s->ecx == V_PREEMPTION_TIMER ||
        (s->ecx >= V_GUEST_ES_AR && s->ecx <= V_GUEST_TR_AR))
        s->ecx = V_GUEST_CR3;
    s->eax = insns[k].memory ? (u32)ARENA_AT(PG_SCRATCH) + (n == 0 ? 8 : (u32)h_below(4) * 8)
                             : (u32)vmx_random_edge();
    /* CAVEAT(bochs-invept-type) */
    if (insns[k].memory && insns[k].code[2] != 0x38 && n > 0 && h_chance(15))
        s->eax = (u32)SPECIAL_AT(SP_ABSENT);
    CopyMem(at, last ? (void *)"\x0f\x01\xc4" : (void *)insns[k].code, last ? 3 : insns[k].len);
    at[last ? 3 : insns[k].len] = 0xc3;
    *code_at += 16;
}

/* Whatever VMCS it names is given up behind it: its fields are no longer the model's. An entry
 * cannot succeed: the VMCS that it might be tried with was cleared and has no controls. */
void h_step_pae(void)
{
    struct pm32_step *steps = arena(PG_H_STEPS);
    struct gt_table_register idtr = gt_sidt();
    u32 code_at = (u32)ARENA_AT(PG_H_CODE);
    u64 *scratch = arena(PG_SCRATCH);

    h_leave_vmx();
    pm32_tables();
    gt_zero_pages(arena(PG_VMCS_A), 2);
    *(u32 *)arena(PG_VMCS_A) = *(u32 *)arena(PG_VMCS_B) = *(u32 *)arena(PG_VMXON) = h.revision;
    scratch[0] = ARENA_AT(PG_VMCS_A);
    scratch[1] = ARENA_AT(PG_VMXON);
    scratch[2] = ARENA_AT(PG_VMCS_B);
    scratch[3] = h_pointer();
    if (scratch[3] != ARENA_AT(PG_VMXON) && h_region(scratch[3]) != H_NONE)
        scratch[3] = H_NOWHERE;
    for (unsigned n = 0; n < PM32_STEPS; n++)
        pm32_step(&steps[n], n, &code_at);
    pm32_base = (u32)(u64)&pm32_env;
    pm32_env.step = (u32)(u64)steps;
    pm32_env.left = PM32_STEPS;
    pm32_env.cr3 = (u32)ARENA_AT(PG_H_PDPT);
    pm32_env.esp = (u32)ARENA_AT(PG_H_STACK + 1) - 64;
    gt_lidt((struct gt_table_register){255, ARENA_AT(PG_H_IDT)});
    pm32_run();
    gt_lidt(idtr);
    l1_state_restore();
    for (unsigned n = 0; n < PM32_STEPS; n++) {
        bool cpuid = *(u16 *)(u64)steps[n].code == 0xa20f;

        h_see("vector", steps[n].vector);
        h_see("flags", steps[n].flags & FLAGS_ARITH);
        h_see("eax", cpuid || steps[n].out_eax == (u32)h.hole.base ? 0 : steps[n].out_eax);
        h_see("error", steps[n].vector < 32 ? steps[n].error : 0);
        h_see("cr2", steps[n].vector == 14 ? steps[n].cr2 : 0);
    }
    h_check(steps[PM32_STEPS - 1].vector == PM32_RETURNED &&
                !(steps[PM32_STEPS - 1].flags & (FLAG_CF | FLAG_ZF)),
            "pae: vmxoff");
    h.vmcs[0].revision = h.vmcs[1].revision = H_GOOD;
    h_taint(0);
    h_taint(1);
    h.vmxon_at = ARENA_AT(PG_VMXON);
}
