/* SPDX-License-Identifier: BSD-2-Clause */
/* The ring of one processor, and the port that streams it. Contract in trace.h and private.h. */
#include "hv/trace/private.h"
#include "hv/core/privileged.h"
#include "hv/core/uart.h"

#define PATIENCE 100000u /* reads of the status; tries for the lock */

#define HEAD_PAGES  1u
#define RING_PAGES  (TRACE_RECORDS * sizeof(struct trace_record) / PAGE_SIZE)
#define TRACE_PAGES ((sizeof(struct trace) + PAGE_SIZE - 1) / PAGE_SIZE)

/* The page of the head is there also for the lock, which all processors share. */
bool trace_reserve(struct cpu *cpu)
{
    struct mem *mem = &cpu->vm->mem;
    struct trace *t = cpu->trace = mem_pages(mem, TRACE_PAGES);
    u8 *head = mem_pages(mem, HEAD_PAGES + RING_PAGES);
    if (!t || !head)
        return false;
    const struct cpu *first = cpu->vm->cpu[0];
    t->head = (struct trace_head *)head;
    t->ring = (struct trace_record *)(head + PAGE_SIZE);
    t->port_owner = cpu == first ? (u32 *)(head + PAGE_SIZE / 2) : first->trace->port_owner;
    return true;
}

/* ---- the port ---------------------------------------------------------------------------------*/

/* A port that is not there, or that L1 stopped, takes its bytes for lost. */
static void put_byte(u8 byte)
{
    for (u32 i = 0; i < PATIENCE && !uart_has_room(UART_COM2); i++)
        ;
    outb(UART_COM2, byte);
}

/* Its owner may be dead in the middle of a record, so patience has an end. */
static void take(u32 *owner, u32 me)
{
    for (u32 i = 0, nobody = 0; i < PATIENCE; i++, nobody = 0) {
        if (__atomic_compare_exchange_n(owner, &nobody, me, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return;
        __builtin_ia32_pause();
    }
    __atomic_store_n(owner, me, __ATOMIC_RELEASE);
}

static void stream(struct cpu *cpu, const void *what, u64 size)
{
    struct trace *t = cpu->trace;
    const u8 *byte = what;
    if (!any(cpu->vm->trace, TRACE_TO_COM2))
        return;
    take(t->port_owner, cpu->percpu.id + 1);
    u8 lcr = uart_borrow(UART_COM2);
    for (u64 i = 0; i < size; i++)
        put_byte(byte[i]);
    outb(UART_COM2 + UART_LCR, lcr);
    __atomic_store_n(t->port_owner, 0, __ATOMIC_RELEASE);
}

/* ---- records ----------------------------------------------------------------------------------*/

void trace_init(struct cpu *cpu)
{
    struct trace_head head = {.magic = TRACE_MAGIC,
                              .version = TRACE_VERSION,
                              .record_size = sizeof(struct trace_record),
                              .form = TRACE_STREAM,
                              .cpu = cpu->percpu.id,
                              .cpus = cpu->vm->cpu_count,
                              .depth = cpu->vm->depth,
                              .filter = cpu->vm->trace,
                              .began = rdtsc()};
    stream(cpu, &head, sizeof head);
    head.form = TRACE_RING;
    head.capacity = TRACE_RECORDS;
    *cpu->trace->head = head;
    cpu->trace->awaited = ~0ull;
}

bool trace_wants(const struct cpu *cpu, u64 group, u32 level)
{
    u32 want = cpu->vm->trace, id = cpu->percpu.id;
    bool kind = any(want, group | TRACE_WANT_ALL) || !any(want, TRACE_WANT_KINDS);
    bool of_level = any(want, level == 2 ? TRACE_WANT_L2 : TRACE_WANT_L1);
    bool of_cpu = id < 4 && any(want, BIT(TRACE_CPU_SHIFT + id));
    return kind && (of_level || !any(want, TRACE_WANT_LEVELS)) &&
           (of_cpu || !any(want, TRACE_WANT_CPUS)) && !cpu->trace->stopped;
}

void trace_put(struct cpu *cpu, const struct trace_record *r)
{
    struct trace *t = cpu->trace;
    struct trace_record *place = &t->ring[t->head->written % TRACE_RECORDS];
    *place = *r;
    place->number = (u32)t->head->written;
    place->cpu = (u8)cpu->percpu.id;
    if (place->tsc == 0)
        place->tsc = rdtsc();
    t->head->written++;
    stream(cpu, place, sizeof *place);
}
