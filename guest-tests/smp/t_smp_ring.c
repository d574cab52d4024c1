/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VMCS goes round all processors with every field full of random bits: VMPTRLD here, all fields
 * read, VMRESUME refused as it was never launched here, all fields written anew, VMCLEAR, and the
 * next processor goes on. A field holds what the last processor read back after its VMWRITE. SDM 3C
 * 25.11.1 "Software Use of Virtual-Machine Control Structures"
 */
#include "guest-tests/lib/gt_smp.h"
#include "guest-tests/lib/gt_cpu.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "hv/arch/msr.h"

enum { CPUS = 4, HOPS = 400, RESUME_NON_LAUNCHED = 5, BAD_MAX = 8, SPARE = 2 };

static u8 *ring, *spare;
static u64 kept[VMX_FIELDS];
static bool exists[VMX_FIELDS];
static unsigned others[CPUS];
static volatile u64 turn, meet, compared, changed, refused;
static struct {
    u64 hop, was, is;
    int field;
} bad[BAD_MAX];
static volatile u64 bads;

/* The same in every run, and another for each hop and field. */
static u64 mix(u64 hop, u64 field)
{
    u64 v = (hop << 16 | field) * 0x9e3779b97f4a7c15ull;

    v ^= v >> 29;
    v *= 0xbf58476d1ce4e5b9ull;
    return v ^ v >> 32;
}

static void compare_all(u64 hop)
{
    for (int i = 0; i < VMX_FIELDS; i++) {
        if (!exists[i])
            continue;
        u64 now = vmx_get(vmx_field[i].enc);
        compared++;
        if (now == kept[i])
            continue;
        if (bads < BAD_MAX) {
            bad[bads].hop = hop;
            bad[bads].was = kept[i];
            bad[bads].is = now;
            bad[bads].field = i;
        }
        bads++;
    }
}

static void write_all(u64 hop)
{
    for (int i = 0; i < VMX_FIELDS; i++) {
        if (!exists[i])
            continue;
        vmx_vmwrite(vmx_field[i].enc, mix(hop, (u64)i));
        u64 now = vmx_get(vmx_field[i].enc);
        changed += now != kept[i];
        kept[i] = now;
    }
}

/* At every second hop another VMCS is current in between, without a VMCLEAR. */
static void hop(struct smp_cpu *c, u64 number)
{
    refused += vmx_vmptrld((u64)ring) != VMX_OK;
    compare_all(number);
    refused +=
        smp_enter_asm(c, true) != VMX_FAIL_VALID || vmx_get(V_INSN_ERROR) != RESUME_NON_LAUNCHED;
    write_all(number);
    if (number % SPARE == 0) {
        refused += vmx_vmptrld((u64)spare + 4096 * c->number) != VMX_OK;
        refused += vmx_vmptrld((u64)ring) != VMX_OK;
    }
    refused += vmx_vmclear((u64)ring) != VMX_OK;
}

/* Which fields exist is the same on all processors. CAVEAT(bochs-fields-everywhere) */
static void find_fields(const struct smp_cpu *c)
{
    for (int i = 0; i < VMX_FIELDS; i++) {
        u64 v = 0;
        bool here = vmx_vmread(vmx_field[i].enc, &v) == VMX_OK;

        if (c->number == 0)
            exists[i] = here;
        others[c->number] += here != exists[i];
    }
}

static void prepare(const struct smp_cpu *c, u64 hops)
{
    u32 revision = (u32)gt_rdmsr(MSR_IA32_VMX_BASIC) & 0x7fffffff;

    *(u32 *)(spare + 4096 * c->number) = revision;
    vmx_vmclear((u64)spare + 4096 * c->number);
    while (turn != c->number)
        __builtin_ia32_pause();
    if (c->number == 0) {
        *(u32 *)ring = revision;
        vmx_vmclear((u64)ring);
    }
    vmx_vmptrld((u64)ring);
    find_fields(c);
    write_all(hops);
    vmx_vmclear((u64)ring);
    turn++;
    smp_barrier(&meet, smp_count);
    turn = 0;
    smp_barrier(&meet, smp_count);
}

static void go_round(struct smp_cpu *c, u64 hops)
{
    refused += !smp_vmx_on(c);
    prepare(c, hops);
    smp_take_turns(c, &turn, hops, hop);
    smp_vmx_off(c);
}

TEST_MAIN(smp_ring)
{
    u64 hops = vmx_option("hops", HOPS), fields = 0;

    if (!smp_begin_all(CPUS))
        return;
    ring = gt_pages(1);
    spare = gt_pages(CPUS);
    bool ok = smp_all(go_round, hops);
    for (int i = 0; i < VMX_FIELDS; i++)
        fields += exists[i];
    gt_line("ring: %s, %lu hops of %lu fields, %lu read, %lu wrong, %lu refusals",
            ok ? "done" : "not done", turn, fields, compared, bads, refused);
    for (unsigned n = 1; n < smp_count; n++)
        gt_line("fields.%u: %s", n, others[n] ? "others exist" : "those of cpu 0");
    gt_check(changed > hops * fields / 2, "written: only %lu values differed", changed);
    for (unsigned i = 0; i < bads && i < BAD_MAX; i++)
        gt_fail("hop %lu: %s %lx, was %lx", bad[i].hop, vmx_field[bad[i].field].name, bad[i].is,
                bad[i].was);
    smp_end();
}
