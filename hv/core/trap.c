/* Exceptions in root mode. The NMI's handler is traps.asm's own. */
#include "hv/core/trap.h"
#include "hv/core/insn.h"
#include "hv/core/log.h"
#include "hv/core/percpu.h"
#include "hv/arch/cpu.h"

extern const u8 enter_window[], enter_window_end[], enter_nmi[]; /* hv/vmx/enter.asm */
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

/* A machine check in root is for whoever was running: flag it, and send an entry that was about
 * to happen back to its check, as the NMI's handler does. */
static void note_machine_check(struct trap_frame *frame)
{
    percpu()->mc_pending = 1;
    if (frame->rip >= (u64)enter_window && frame->rip < (u64)enter_window_end)
        frame->rip = (u64)enter_nmi;
}

void trap_handle(struct trap_frame *frame)
{
    if (frame->vector == VEC_MC) {
        note_machine_check(frame);
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
