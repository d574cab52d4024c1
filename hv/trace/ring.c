/* SPDX-License-Identifier: BSD-2-Clause */
/* The ring of one processor, and the port that streams it. Contract in trace.h and private.h. */
#include "hv/trace/private.h"
#include "hv/core/privileged.h"
#include "hv/core/uart.h"

#define PATIENCE 400000u /* reads of the status for one record; tries for the port */

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
    t->port = cpu == first ? (struct trace_port *)(head + PAGE_SIZE / 2) : first->trace->port;
    return true;
}

/* ---- the port ---------------------------------------------------------------------------------*/

/* False: no room came for a byte in time. L1 may have stopped the port, or its speed. */
static bool put_byte(u8 byte, u32 *patience)
{
    for (; !uart_has_room(UART_COM2); --*patience)
        if (*patience == 0)
            return false;
    outb(UART_COM2, byte);
    return true;
}

/* Waits while the owner gets bytes away. One that gets none away may be dead in the middle of a
 * record. */
static void take(struct trace_port *p, u32 me)
{
    u32 sent = __atomic_load_n(&p->sent, __ATOMIC_RELAXED);
    for (u32 i = 0, nobody = 0; i < PATIENCE; i++, nobody = 0) {
        if (__atomic_compare_exchange_n(&p->owner, &nobody, me, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return;
        u32 now = __atomic_load_n(&p->sent, __ATOMIC_RELAXED);
        i = now == sent ? i : 0;
        sent = now;
        __builtin_ia32_pause();
    }
    __atomic_store_n(&p->owner, me, __ATOMIC_RELEASE);
}

/* Once the port has stopped, a record is left out unless there is room at once: L1 must not be able
 * to spend L0's time on each exit. The numbers of the records tell a reader what was left out. */
static void send(struct trace_port *p, const u8 *byte, u64 size)
{
    u32 patience = PATIENCE;
    if (p->stuck && !uart_has_room(UART_COM2))
        return;
    u8 lcr = uart_borrow(UART_COM2);
    p->stuck = false;
    for (u64 i = 0; i < size && !p->stuck; i++) {
        p->stuck = !put_byte(byte[i], &patience);
        __atomic_store_n(&p->sent, p->sent + 1, __ATOMIC_RELAXED);
    }
    outb(UART_COM2 + UART_LCR, lcr);
}

static void stream(struct cpu *cpu, const void *what, u64 size)
{
    struct trace_port *p = cpu->trace->port;
    u32 me = cpu->percpu.id + 1;
    if (!any(cpu->vm->trace, TRACE_TO_COM2))
        return;
    take(p, me);
    send(p, what, size);
    __atomic_compare_exchange_n(&p->owner, &me, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
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
