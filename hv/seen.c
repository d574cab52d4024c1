/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in seen.h. */
#include "hv/seen.h"
#include "hv/ring/ring.h"
#include "hv/core/privileged.h"

#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71

/* "bug: " begins what L0 says of itself, and nothing else. */
static bool is_bug(const char *words)
{
    return words[0] == 'b' && words[1] == 'u' && words[2] == 'g' && words[3] == ':';
}

static void sink(const struct log *log)
{
    struct cpu *cpu = cpu_of(percpu());
    struct vm *vm = cpu->vm;
    if (vm->ring) {
        ring_put(vm->ring, log->text, log->length);
        ring_put(vm->ring, "\n", 1);
    }
    if (is_bug(log->text + log->words) || cpu->percpu.panicking)
        screen_line(&vm->screen, cpu->percpu.panicking ? SCREEN_DUMP : SCREEN_LINE, log->text);
    if (vm->screen.status)
        screen_line(&vm->screen, SCREEN_STATUS, log->text);
    if (cpu->percpu.panicking == 1)
        seen_stage(cpu, STAGE_PANIC, EXIT_REASON_BASIC(cpu->exit.reason));
}

void seen_init(struct vm *vm, const struct boot_info *info)
{
    vm->log.sink = sink;
    vm->cmos = info->cmos;
    vm->screen = info->screen;
    if (!info->ring_hpa)
        return;
    vm->ring = (struct ring *)(info->physmap_va + info->ring_hpa);
    ring_init(vm->ring, info->ring_hpa);
    vm->ring->cpus = vm->cpu_count;
    for (u32 i = 0; i < vm->cpu_count; i++)
        vm->ring->exits[i] = mem_hpa(&vm->mem, &vm->cpu[i]->last).a;
}

void seen_stage(const struct cpu *cpu, u32 stage, u32 detail)
{
    const u8 bytes[] = {BOOT_CMOS_MARK, (u8)stage, (u8)detail,
                        (u8)(BOOT_CMOS_MARK ^ stage ^ detail)};
    if (!cpu->vm->cmos || cpu->percpu.id)
        return;
    for (u32 i = 0; i < sizeof bytes; i++) {
        outb(CMOS_INDEX, (u8)(BOOT_CMOS_AT + i));
        outb(CMOS_DATA, bytes[i]);
    }
}
