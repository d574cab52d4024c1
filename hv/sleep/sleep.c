/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in sleep.h. CAVEAT(sleep) */
#include "hv/sleep/sleep.h"

#include "hv/core/privileged.h"
#include "hv/vmx/insn.h"

/* In the upper bytes of the registers, where all that matters here is. */
#define STATUS_WAKE        0x80u
#define CONTROL_ENABLE     0x20u
#define CONTROL_TYPE(byte) ((byte) >> 2 & 7u)

#define QUAL_IO_STRING BIT(4)
#define QUAL_IO_REP    BIT(5)

struct sleep {
    struct boot_sleep at;
    u8 *bitmaps;
    hpa_t bitmaps_hpa;
    bool woken; /* L1 asked for S3 and has not cleared the wake status since */
};

static void watch(u8 *bitmap, u16 port)
{
    bitmap[port / 8] |= (u8)(1u << port % 8);
}

bool sleep_reserve(struct vm *vm, const struct boot_sleep *at)
{
    if (!at->types[0])
        return true;
    struct sleep *s = mem_pages(&vm->mem, 1);
    u8 *bitmaps = mem_pages(&vm->mem, 2);
    if (!s || !bitmaps)
        return false;
    s->at = *at;
    s->bitmaps_hpa = mem_hpa(&vm->mem, bitmaps);
    watch(bitmaps, at->status + 1);
    for (u32 i = 0; i < 2; i++)
        if (at->types[i])
            watch(bitmaps, at->control[i] + 1);
    vm->sleep = s;
    return true;
}

void sleep_guard(const struct cpu *cpu)
{
    const struct sleep *s = cpu->vm->sleep;
    u32 may = vcaps_cpu1(&cpu->vm->facts.vmx).may_be_1;
    if (!s || !any(may, CPU1_USE_IO_BITMAPS))
        return;
    vmcs_write(ENC_io_bitmap_a_addr, s->bitmaps_hpa.a);
    vmcs_write(ENC_io_bitmap_b_addr, s->bitmaps_hpa.a + PAGE_SIZE);
    vmcs_write(ENC_cpu1_ctl, vmcs_read(ENC_cpu1_ctl) | CPU1_USE_IO_BITMAPS);
}

/* The byte of an access that goes to this port, as a shift; -1: none does. */
static int shift_of(u16 port, u32 first, u32 size)
{
    return port - first < size ? (int)(port - first) * 8 : -1;
}

/* The registers are accessed at the width that L1 asks for: not every chipset takes another. */
static u32 port_in(u16 port, u32 size)
{
    u32 v = 0;
    if (size == 1)
        v = inb(port);
    else if (size == 2)
        __asm__ volatile("inw %w1, %w0" : "+a"(v) : "Nd"(port));
    else
        __asm__ volatile("inl %w1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

static void port_out(u16 port, u32 size, u32 v)
{
    if (size == 1)
        outb(port, (u8)v);
    else if (size == 2)
        __asm__ volatile("outw %w0, %w1" : : "a"(v), "Nd"(port));
    else
        __asm__ volatile("outl %0, %w1" : : "a"(v), "Nd"(port));
}

static void read_port(struct cpu *cpu, u16 port, u32 size)
{
    const struct sleep *s = cpu->vm->sleep;
    u64 *rax = &cpu->regs.gpr[REG_RAX];
    u32 v = port_in(port, size);
    int status = shift_of(s->at.status + 1, port, size);
    if (status >= 0 && s->woken)
        v |= STATUS_WAKE << status;
    *rax = size == 4 ? v : size == 2 ? (*rax & ~0xffffull) | v : (*rax & ~0xffull) | v;
}

/* True when the write would end Nidus. */
static bool asks_for_sleep(const struct sleep *s, u16 port, u32 size, u32 v)
{
    for (u32 i = 0; i < 2; i++) {
        int control = shift_of(s->at.control[i] + 1, port, size);
        u32 byte = control < 0 ? 0 : v >> control & 0xff;
        if (any(byte, CONTROL_ENABLE) && any(s->at.types[i] >> CONTROL_TYPE(byte), 1))
            return true;
    }
    return false;
}

static void write_port(struct cpu *cpu, u16 port, u32 size)
{
    struct sleep *s = cpu->vm->sleep;
    u32 v = (u32)cpu->regs.gpr[REG_RAX];
    int status = shift_of(s->at.status + 1, port, size);
    if (asks_for_sleep(s, port, size, v)) {
        s->woken = true;
        log_rare(LOG_SLEEP, "L1 asks for S3, which would end Nidus: refused (s3=refuse)");
        return;
    }
    if (status >= 0 && any(v >> status, STATUS_WAKE))
        s->woken = false;
    port_out(port, size, v);
}

/* A string instruction moves nothing, and a repeated one is over at once. */
enum outcome sleep_io(struct cpu *cpu)
{
    u64 qual = cpu->exit.qual;
    u16 port = (u16)qual_io_port(qual);
    if (!cpu->vm->sleep)
        return unwanted_in_l1(cpu);
    if (any(qual, QUAL_IO_STRING)) {
        if (any(qual, QUAL_IO_REP))
            cpu->regs.gpr[REG_RCX] = 0;
    } else if (qual_io_in(qual))
        read_port(cpu, port, qual_io_size(qual));
    else
        write_port(cpu, port, qual_io_size(qual));
    return ADVANCE;
}
