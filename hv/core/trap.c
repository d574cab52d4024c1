/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions in root mode. Contract in trap.h. */
#include "hv/core/trap.h"
#include "hv/core/privileged.h"
#include "hv/core/log.h"
#include "hv/core/percpu.h"
#include "hv/arch/cpu.h"

extern const struct enter_window enter_windows[4]; /* hv/vmx/enter.asm */
extern const struct ex_entry ex_table_start[], ex_table_end[];

static void print_frame(const struct trap_frame *f)
{
    log_line("rax %016lx rbx %016lx rcx %016lx rdx %016lx", f->rax, f->rbx, f->rcx, f->rdx);
    log_line("rsi %016lx rdi %016lx rbp %016lx rsp %016lx", f->rsi, f->rdi, f->rbp, f->rsp);
    log_line("r8  %016lx r9  %016lx r10 %016lx r11 %016lx", f->r8, f->r9, f->r10, f->r11);
    log_line("r12 %016lx r13 %016lx r14 %016lx r15 %016lx", f->r12, f->r13, f->r14, f->r15);
    log_line("rflags %08lx cs %lx cr2 %016lx cr3 %016lx cr4 %lx", f->rflags, f->cs, read_cr2(),
             read_cr3(), read_cr4());
}

/* Notes in *flag that the event happened; the run loop handles the event later. Events that come
 * before the loop looks at the flag count as one, as NMIs that come while NMIs are blocked do. When
 * the event hit between the loop's look at the flag and the VM entry, RIP moves back to before that
 * look. SDM 3A 6.7.1 "Handling Multiple NMIs" */
static void defer(struct trap_frame *frame, u16 *flag)
{
    *flag = 1;
    for (u32 i = 0; i < ARRAY_LEN(enter_windows); i++)
        if (frame->rip >= enter_windows[i].start && frame->rip < enter_windows[i].end)
            frame->rip = enter_windows[i].restart;
}

void trap_handle(struct trap_frame *frame)
{
    if (frame->vector == VEC_NMI) {
        defer(frame, &percpu()->nmi_pending);
        return;
    }
    if (frame->vector == VEC_MC) {
        defer(frame, &percpu()->mc_pending);
        return;
    }
    for (const struct ex_entry *e = ex_table_start; e < ex_table_end; e++)
        if (e->insn_va == frame->rip) {
            frame->rip = e->fixup_va;
            return;
        }
    print_frame(frame);
    panic("bug: exception %lu, error %lx, at %016lx", frame->vector, frame->error, frame->rip);
}
