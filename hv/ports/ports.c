/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in ports.h. */
#include "hv/ports/ports.h"
#include "hv/core/lib.h"
#include "hv/nested/crossing/crossing.h"
#include "hv/vmx/guestmem.h"
#include "hv/vmx/insn.h"
#include "hv/wire/com2.h"

static void watch(u8 *bitmap)
{
    bitmap[UART_COM2 / 8] = 0xff; /* its eight ports */
}

bool ports_reserve(struct vm *vm, struct ports *p)
{
    u8 *pages = mem_pages(&vm->mem, 3);
    if (!pages)
        return false;
    *p = (struct ports){pages, pages + PAGE_SIZE, pages + (size_t)2 * PAGE_SIZE, false, 0, 0};
    watch(p->for_l1);
    return true;
}

static u64 hpa_of(const struct cpu *cpu, const u8 *page)
{
    return mem_hpa(&cpu->vm->mem, page).a;
}

void ports_start(const struct cpu *cpu, const struct ports *p)
{
    vmcs_write(ENC_io_bitmap_a_addr, hpa_of(cpu, p->for_l1));
    vmcs_write(ENC_io_bitmap_b_addr, hpa_of(cpu, p->none));
}

/* ---- L2 ---- */

static bool l1_uses_bitmaps(const struct vmcs_image *v)
{
    return any(v->cpu1_ctl, CPU1_USE_IO_BITMAPS);
}

static const void *l1s_page(const struct cpu *cpu, u64 address)
{
    const void *page = gpa1_map(cpu, GPA1(address));
    return page ? page : cpu->nested->page_of_ones;
}

static bool l1_wants(const struct cpu *cpu)
{
    const struct vmcs_image *v = &cpu->nested->now->vmcs12;
    if (!l1_uses_bitmaps(v))
        return any(v->cpu1_ctl, CPU1_UNCOND_IO_EXITING);
    return io_bitmaps12_hit(cpu);
}

u64 ports_arm(const struct cpu *cpu, struct ports *p)
{
    if (!cpu->in_l2)
        return CPU1_USE_IO_BITMAPS;
    const struct vmcs_image *v = &cpu->nested->now->vmcs12;
    if (l1_uses_bitmaps(v))
        memcpy(p->for_l2, l1s_page(cpu, v->io_bitmap_a_addr), PAGE_SIZE);
    else if (any(v->cpu1_ctl, CPU1_UNCOND_IO_EXITING))
        return 0;
    else
        memset(p->for_l2, 0, PAGE_SIZE);
    watch(p->for_l2);
    p->held = true;
    p->a = vmcs_read(ENC_io_bitmap_a_addr);
    p->b = vmcs_read(ENC_io_bitmap_b_addr);
    vmcs_write(ENC_io_bitmap_a_addr, hpa_of(cpu, p->for_l2));
    if (!l1_uses_bitmaps(v))
        vmcs_write(ENC_io_bitmap_b_addr, hpa_of(cpu, p->none));
    return CPU1_USE_IO_BITMAPS;
}

void ports_disarm(struct ports *p)
{
    if (!p->held)
        return;
    vmcs_write(ENC_io_bitmap_a_addr, p->a);
    vmcs_write(ENC_io_bitmap_b_addr, p->b);
    p->held = false;
}

/* ---- the exit ---- */

/* L1 may want an exit behind each instruction of L2's. SDM 3C 26.5.2 "Monitor Trap Flag" */
static void complete(struct cpu *cpu)
{
    exit_advance(cpu);
    if (cpu->in_l2 && any(cpu->nested->now->vmcs12.cpu1_ctl, CPU1_MONITOR_TRAP_FLAG))
        nested_reflect_event(cpu, EXIT_REASON_MONITOR_TRAP_FLAG, 0);
}

/* SDM 3C 28.2.1 "Basic VM-Exit Information": bits 2:0 the size less 1, 3 IN, 4 string, 5 REP, 31:16
 * the port. A string instruction moves nothing, and a repeated one is over at once. */
bool ports_hide(struct cpu *cpu)
{
    u64 qual = cpu->exit.qual, port = qual_io_port(qual), value = 0;
    u32 size = qual_io_size(qual);
    if (port + size <= UART_COM2 || port >= UART_COM2 + COM2_PORTS || (cpu->in_l2 && l1_wants(cpu)))
        return false;
    if (any(qual, BIT(4))) {
        if (any(qual, BIT(5)))
            cpu->regs.gpr[REG_RCX] = 0;
    } else if (qual_io_in(qual)) {
        for (u32 i = 0; i < size; i++)
            value |= (u64)line_hidden_byte(port + i) << (8 * i);
        u64 keep = size < 4 ? ~(BIT(8 * size) - 1) : 0;
        cpu->regs.gpr[REG_RAX] = (cpu->regs.gpr[REG_RAX] & keep) | value;
    }
    complete(cpu);
    return true;
}
