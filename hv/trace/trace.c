/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an exit was, what became of it, and what is entered: told from the state before and behind
 * the handler, so that no handler knows of the trace. Contract in trace.h.
 */
#include "hv/trace/private.h"
#include "hv/arch/cpuid_bits.h"
#include "hv/nested/ept02/ept02.h"
#include "hv/core/privileged.h"
#include "hv/vmx/insn.h"

static u32 level_of(const struct cpu *cpu)
{
    return cpu->in_l2 ? 2 : 1;
}

static u64 events(u64 now, u64 interrupted)
{
    return (u32)now | interrupted << 32;
}

static bool is_vmx_insn(u32 reason)
{
    return (reason >= EXIT_REASON_VMCALL && reason <= EXIT_REASON_VMXON) ||
           reason == EXIT_REASON_INVEPT || reason == EXIT_REASON_INVVPID;
}

static bool is_entry(u32 reason)
{
    return reason == EXIT_REASON_VMLAUNCH || reason == EXIT_REASON_VMRESUME;
}

/* ---- the exit ---------------------------------------------------------------------------------*/

/* A register of L1's; RSP is vmcs01's. @pre vmcs01 is current */
static u64 reg_now(const struct cpu *cpu, u32 reg)
{
    return reg == REG_RSP ? vmcs_read(ENC_guest_rsp) : cpu->regs.gpr[reg & (REG_COUNT - 1)];
}

/* The second register operand: an encoding, or a type. */
static void note_operands(struct cpu *cpu, struct trace_before *b, u32 reason)
{
    b->operand = ~0ull;
    b->value_reg = REG_COUNT;
    b->current = cpu->nested ? cpu->nested->now->at.a : NO_VMCS;
    if (reason != EXIT_REASON_VMREAD && reason != EXIT_REASON_VMWRITE &&
        reason != EXIT_REASON_INVEPT && reason != EXIT_REASON_INVVPID)
        return;
    u32 info = (u32)vmcs_read(ENC_exit_instruction_info);
    b->operand = reg_now(cpu, operand_reg2(info));
    if (any(info, BIT(10)))
        b->value_reg = (u8)bits(info, 6, 3);
}

static void note(struct cpu *cpu)
{
    struct trace *t = cpu->trace;
    struct trace_before *b = &t->before;
    *b = (struct trace_before){.tsc = rdtsc(),
                               .level = level_of(cpu),
                               .reason = (u32)vmcs_read(ENC_exit_reason),
                               .rip = vmcs_read(ENC_guest_rip),
                               .gpa = vmcs_read(ENC_guest_physical_address)};
    u32 basic = EXIT_REASON_BASIC(b->reason);
    if (!cpu->nested)
        return;
    b->stale = cpu->nested->told[TOLD_STALE];
    if (b->level != 1)
        return;
    note_operands(cpu, b, basic);
    if (is_entry(basic))
        t->image02 = cpu->nested->now->image02;
    if (basic == EXIT_REASON_INVEPT && !t->invept && trace_wants(cpu, TRACE_WANT_FILLS, 2))
        t->leaves = ept02_count_leaves(cpu);
}

bool trace_exit(struct cpu *cpu)
{
    const struct trace_before *b = &cpu->trace->before;
    u64 *gpr = cpu->regs.gpr;
    note(cpu);
    if (b->level == 1 && b->reason == EXIT_REASON_CPUID && (u32)gpr[REG_RAX] == LEAF_NIDUS_TRACE) {
        cpu->current->launched = 1;
        exit_snapshot(cpu, SNAP_STEP);
        trace_leaf(cpu);
        return true;
    }
    if (trace_wants(cpu, TRACE_WANT_EXITS, b->level))
        trace_put(cpu,
                  &(struct trace_record){
                      .kind = TRACE_EXIT,
                      .level = (u8)b->level,
                      .tsc = b->tsc,
                      .rip = b->rip,
                      .reason = b->reason,
                      .extra = cpu->trace->own_enter,
                      .a = vmcs_read(ENC_exit_qualification),
                      .b = b->gpa,
                      .c = events(vmcs_read(ENC_exit_intr_info), vmcs_read(ENC_idt_vectoring_info)),
                      .d = (u32)gpr[REG_RAX] | (u64)(u32)gpr[REG_RCX] << 32});
    cpu->trace->own = rdtsc() - b->tsc;
    return false;
}

#define NO_GPA (~0ull)

/* ---- what became of it ------------------------------------------------------------------------*/

/* How L1's VMX instruction ended. @pre L1 runs, or L2 when it was a VM entry */
static void how_it_ended(struct cpu *cpu, struct trace_record *r)
{
    const struct nested *n = cpu->nested;
    u32 injected = (u32)vmcs_read(ENC_entry_intr_info);
    u64 flags = vmcs_read(ENC_guest_rflags);
    r->c = ~0ull;
    if (cpu->in_l2) {
        r->code = TRACE_ENTERED;
    } else if (any(injected, INTR_VALID) && INTR_TYPE(injected) == INTR_HW_EXCEPTION) {
        r->code = TRACE_FAULT;
        r->extra = INTR_VECTOR(injected);
    } else if (is_entry(r->reason) && vmcs_read(ENC_guest_rip) == n->now->vmcs12.host_rip &&
               any(n->now->vmcs12.exit_reason, EXIT_REASON_ENTRY_FAIL)) {
        r->code = TRACE_REFUSED;
        r->extra = n->now->vmcs12.exit_reason;
        r->c = n->told_rule;
    } else if (any(flags, RFLAGS_CF)) {
        r->code = TRACE_FAIL_INVALID;
    } else if (any(flags, RFLAGS_ZF)) {
        r->code = TRACE_FAIL;
        r->extra = n->now->vmcs12.vm_instruction_error;
        if (r->extra == ERR_ENTRY_CONTROLS || r->extra == ERR_ENTRY_HOST_STATE)
            r->c = n->told_rule;
    }
}

/* What the instruction worked on, as far as it can be told. */
static u64 operand(const struct cpu *cpu, const struct trace_record *r)
{
    const struct nested *n = cpu->nested;
    const struct trace_before *b = &cpu->trace->before;
    bool failed = r->code == TRACE_FAIL || r->code == TRACE_FAIL_INVALID;
    switch (r->reason) {
    case EXIT_REASON_VMCLEAR:
        return failed ? n->culprit : n->now->at.a != b->current ? b->current : ~0ull;
    case EXIT_REASON_VMPTRLD:
        return failed ? n->culprit : n->now->at.a;
    case EXIT_REASON_VMXON:
        return failed ? n->culprit : n->vmxon_pointer.a;
    case EXIT_REASON_VMLAUNCH:
    case EXIT_REASON_VMRESUME:
        return n->now->at.a;
    default:
        return b->operand;
    }
}

static void put_insn(struct cpu *cpu)
{
    const struct trace_before *b = &cpu->trace->before;
    struct trace_record r = {.kind = TRACE_INSN, .level = 1, .rip = b->rip};
    r.reason = EXIT_REASON_BASIC(b->reason);
    how_it_ended(cpu, &r);
    r.a = operand(cpu, &r);
    if (b->value_reg != REG_COUNT)
        r.b = reg_now(cpu, b->value_reg);
    if (r.reason == EXIT_REASON_INVEPT && r.code == TRACE_OK)
        cpu->trace->invept = true;
    if (trace_wants(cpu, TRACE_WANT_INSNS, 1))
        trace_put(cpu, &r);
}

static void put_route(struct cpu *cpu)
{
    const struct trace_before *b = &cpu->trace->before;
    const struct vmcs_image *v = &cpu->nested->now->vmcs12;
    if (!trace_wants(cpu, TRACE_WANT_ROUTES, 2))
        return;
    trace_put(cpu, &(struct trace_record){.kind = TRACE_ROUTE,
                                          .level = 2,
                                          .code = !cpu->in_l2,
                                          .rip = b->rip,
                                          .reason = b->reason});
    if (!cpu->in_l2)
        trace_put(cpu, &(struct trace_record){.kind = TRACE_REFLECT,
                                              .level = 1,
                                              .rip = vmcs_read(ENC_guest_rip),
                                              .reason = v->exit_reason,
                                              .a = v->exit_qualification,
                                              .b = events(v->exit_intr_info, v->idt_vectoring_info),
                                              .c = b->rip});
}

/* EPT02 has a leaf now where L2 met a violation. */
static void put_leaf(struct cpu *cpu, u64 rip, u64 gpa)
{
    struct ept02_seen seen;
    if (ept02_look(cpu, GPA2(gpa), &seen))
        trace_put(cpu, &(struct trace_record){.kind = TRACE_FILL,
                                              .level = 2,
                                              .rip = rip,
                                              .extra = seen.level,
                                              .a = gpa,
                                              .b = seen.entry,
                                              .c = seen.source});
}

static void put_fill(struct cpu *cpu)
{
    const struct trace_before *b = &cpu->trace->before;
    if (!trace_wants(cpu, TRACE_WANT_FILLS, 2))
        return;
    if (cpu->nested->told[TOLD_STALE] != b->stale)
        trace_put(cpu, &(struct trace_record){
                           .kind = TRACE_STALE, .level = 2, .rip = b->rip, .a = b->gpa});
    else
        put_leaf(cpu, b->rip, b->gpa);
}

/* L1 mapped what L2 missed, and L0 filled that at L1's VM entry. */
static void put_awaited(struct cpu *cpu)
{
    struct trace *t = cpu->trace;
    if (t->awaited != NO_GPA && trace_wants(cpu, TRACE_WANT_FILLS, 2))
        put_leaf(cpu, vmcs_read(ENC_guest_rip), t->awaited);
    t->awaited = NO_GPA;
}

static void put_drop(struct cpu *cpu)
{
    struct trace *t = cpu->trace;
    if (!t->invept)
        return;
    t->invept = false;
    if (trace_wants(cpu, TRACE_WANT_FILLS, 2))
        trace_put(cpu, &(struct trace_record){.kind = TRACE_DROP,
                                              .level = 2,
                                              .rip = vmcs_read(ENC_guest_rip),
                                              .a = cpu->nested->now->vmcs12.ept_pointer,
                                              .b = t->leaves,
                                              .c = ept02_count_leaves(cpu)});
}

static void put_handled(struct cpu *cpu)
{
    const struct trace_before *b = &cpu->trace->before;
    u32 basic = EXIT_REASON_BASIC(b->reason);
    if (b->level == 1 && is_vmx_insn(basic))
        put_insn(cpu);
    if (b->level == 1 && cpu->in_l2) {
        put_drop(cpu);
        put_awaited(cpu);
    }
    if (b->level == 2)
        put_route(cpu);
    if (b->level != 2 || basic != EXIT_REASON_EPT_VIOLATION)
        return;
    if (cpu->in_l2)
        put_fill(cpu);
    else
        cpu->trace->awaited = b->gpa;
}

void trace_handled(struct cpu *cpu)
{
    u64 began = rdtsc();
    if (cpu->nested && !cpu->dead)
        put_handled(cpu);
    cpu->trace->own += rdtsc() - began;
}

/* ---- the entry --------------------------------------------------------------------------------*/

/* Which fields of vmcs02 L1's VM entry changed, by encoding. */
static void put_written(const struct cpu *cpu, struct trace_record *r)
{
    const struct trace *t = cpu->trace;
    u16 encoding[12] = {0};
    for (u32 f = 0; f < F_COUNT; f++) {
        if (vmcs12_get(&t->image02, (enum vmcs_field)f) ==
            vmcs12_get(&cpu->nested->now->image02, (enum vmcs_field)f))
            continue;
        if (r->extra < ARRAY_LEN(encoding))
            encoding[r->extra] = (u16)vmcs12_desc((enum vmcs_field)f)->encoding;
        r->extra++;
    }
    __builtin_memcpy(&r->a, encoding, sizeof encoding);
}

void trace_enter(struct cpu *cpu)
{
    struct trace *t = cpu->trace;
    const struct trace_before *b = &t->before;
    u64 began = rdtsc();
    u32 level = level_of(cpu), info = (u32)vmcs_read(ENC_entry_intr_info);
    u64 rip = vmcs_read(ENC_guest_rip);
    struct trace_record r = {
        .kind = TRACE_ENTRY, .level = (u8)level, .rip = rip, .reason = !cpu->current->launched};
    if (any(info, INTR_VALID) && trace_wants(cpu, TRACE_WANT_EVENTS, level))
        trace_put(cpu,
                  &(struct trace_record){.kind = TRACE_EVENT,
                                         .level = (u8)level,
                                         .rip = rip,
                                         .extra = (u32)vmcs_read(ENC_entry_exception_error_code),
                                         .a = info});
    t->own_enter = 0;
    if (!trace_wants(cpu, TRACE_WANT_ENTRIES, level))
        return;
    if (level == 2 && b->level == 1 && is_entry(EXIT_REASON_BASIC(b->reason)))
        put_written(cpu, &r);
    r.tsc = rdtsc();
    r.d = t->own + r.tsc - began;
    trace_put(cpu, &r);
    t->own_enter = (u32)(rdtsc() - r.tsc);
    t->own = 0;
}
