/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the processor at hand takes for each operation: cycles of its time-stamp counter, the median
 * and the 5th and 95th of a hundred. For silicon, where make bench cannot look: to be started from
 * the UEFI shell, bare, and again under Nidus. The lines go to the console as well.
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"
#include <efilib.h>

u64 vmx_bench(u64 exits, u64 reason, u8 *edit, u64 loops) GT_HIDDEN;

enum { SAMPLES = 100, TIMES = 20, TRIPS = 200, TEXT = 4096 };
enum { HOST_RIP = 0x6c16, EXIT_REASON_FIELD = 0x4402 };

static char text[TEXT];
static size_t used;

static void keep(const char *line)
{
    for (; *line && used < TEXT - 2; line++)
        text[used++] = *line;
    text[used++] = '\n';
}

/* ---- what is measured: each does its operation TIMES times ----------------------------------- */

static void op_nothing(void)
{
    for (unsigned i = 0; i < TIMES; i++)
        __asm__ volatile("");
}

static void op_cpuid(void)
{
    for (unsigned i = 0; i < TIMES; i++) {
        u32 a = 0, b, c = 0, d;
        __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    }
}

static void vmreads(u64 field)
{
    for (unsigned i = 0; i < TIMES; i++) {
        u64 v;
        __asm__ volatile("vmread %1, %0" : "=r"(v) : "r"(field) : "cc");
    }
}

static void op_vmread_shadowed(void)
{
    vmreads(EXIT_REASON_FIELD);
}

static void op_vmread(void)
{
    vmreads(HOST_RIP);
}

static void op_vmwrite(void)
{
    for (u64 i = 0; i < TIMES; i++)
        __asm__ volatile("vmwrite %0, %1" : : "r"(i), "r"((u64)HOST_RIP) : "cc");
}

static void op_vmptrld_same(void)
{
    u64 at = ARENA_AT(PG_VMCS_A);
    for (unsigned i = 0; i < TIMES; i++)
        __asm__ volatile("vmptrld %0" : : "m"(at) : "cc", "memory");
}

static void op_vmptrld_other(void)
{
    u64 at[2] = {ARENA_AT(PG_VMCS_B), ARENA_AT(PG_VMCS_A)};
    for (unsigned i = 0; i < TIMES; i++)
        __asm__ volatile("vmptrld %0" : : "m"(at[i & 1]) : "cc", "memory");
}

static void op_vmclear(void)
{
    u64 at = ARENA_AT(PG_VMCS_B);
    for (unsigned i = 0; i < TIMES; i++)
        __asm__ volatile("vmclear %0" : : "m"(at) : "cc", "memory");
}

static void op_invept(void)
{
    for (unsigned i = 0; i < TIMES; i++)
        ept_invept(INVEPT_ALL, 0);
}

/* ---- statistics ------------------------------------------------------------------------------ */

/* Sorts, and tells the middle and both ends, less what the loop itself takes. */
static void tell(const char *name, u64 *sample, u64 per, u64 loop)
{
    for (unsigned i = 1; i < SAMPLES; i++)
        for (unsigned k = i; k > 0 && sample[k - 1] > sample[k]; k--) {
            u64 larger = sample[k - 1];
            sample[k - 1] = sample[k];
            sample[k] = larger;
        }
    for (unsigned i = 0; i < SAMPLES; i++)
        sample[i] = sample[i] > loop ? (sample[i] - loop) / per : 0;
    gt_line("%s: median %lu p5 %lu p95 %lu cycles", name, sample[SAMPLES / 2],
            sample[SAMPLES * 5 / 100], sample[SAMPLES * 95 / 100]);
}

static u64 now(void)
{
    __asm__ volatile("lfence" ::: "memory");
    return gt_rdtsc();
}

static u64 measure(const char *name, void (*op)(void), u64 loop)
{
    u64 sample[SAMPLES], least = ~0ul;

    op();
    for (unsigned i = 0; i < SAMPLES; i++) {
        u64 start = now();
        op();
        sample[i] = now() - start;
        least = sample[i] < least ? sample[i] : least;
    }
    if (name != NULL)
        tell(name, sample, TIMES, loop);
    return least;
}

/* L2 executes CPUID, L1 handles it and resumes. The first entry is in it, divided by TRIPS. */
static void trips(const char *name, bool memory)
{
    u64 sample[SAMPLES];

    for (unsigned i = 0; i < SAMPLES; i++) {
        if (memory)
            ept_world(L2_64, 0);
        else
            l2_world(L2_64);
        l2_code("\x31\xc0\x0f\xa2\xeb\xfa", 6); /* XOR EAX, EAX; CPUID; back */
        l2_write();
        sample[i] = vmx_bench(TRIPS, REASON_CPUID, arena(PG_SCRATCH), 0);
        l1_state_restore();
        gt_check(sample[i] != 0, "%s: exit %lx", name, vmx_get(V_EXIT_REASON));
    }
    tell(name, sample, TRIPS, 0);
}

static void all(void)
{
    u64 loop;

    l2_init();
    *(u32 *)arena(PG_VMCS_B) = *(u32 *)arena(PG_VMCS_A);
    gt_check(vmx_vmclear(ARENA_AT(PG_VMCS_B)) == VMX_OK, "no second VMCS");
    loop = measure(NULL, op_nothing, 0);
    measure("cpuid", op_cpuid, loop);
    measure("vmread, shadowed", op_vmread_shadowed, loop);
    measure("vmread", op_vmread, loop);
    measure("vmwrite", op_vmwrite, loop);
    measure("vmptrld, same", op_vmptrld_same, loop);
    measure("vmptrld, other", op_vmptrld_other, loop);
    measure("vmclear, not current", op_vmclear, loop);
    trips("trip of cpuid, no ept", false);
    if (ept_usable()) {
        measure("invept, all", op_invept, loop);
        trips("trip of cpuid", true);
    }
}

TEST_MAIN(bench)
{
    gt_lines_to(keep);
    vmx_begin();
    if (vmx_on())
        all();
    vmx_end();
    gt_lines_to(NULL);
    gt_firmware_enter();
    Print(L"%a", text);
    gt_firmware_leave();
    for (const char *line = text; *line; line++) /* line by line, as gt_line would have */
        if (line == text || line[-1] == '\n') {
            char copy[120];
            size_t n = 0;
            while (line[n] && line[n] != '\n' && n < sizeof copy - 1) {
                copy[n] = line[n];
                n++;
            }
            copy[n] = 0;
            gt_line("%s", copy);
        }
}
