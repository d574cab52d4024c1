/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in vtd_fake.h. */
#include "tests/lib/vtd_fake.h"

#include "hv/vtd/regs.h"
#include <string.h>

#define GIB   (1ull << 30)
#define IOTLB (0x50 * 16 + VTD_IOTLB)

struct vtd_fake fake;

void vtd_fake_start(void)
{
    u8 *memory = fake.memory;
    memset(memory, 0, VTD_FAKE_PAGES * PAGE_SIZE);
    fake = (struct vtd_fake){.memory = memory};
}

static void bug(const char *what)
{
    if (!fake.bug)
        fake.bug = what;
}

static void take_descriptor(const u64 *d)
{
    switch (d[0] & 15) {
    case 1:
    case 2:
        if ((d[0] >> 4 & 3) != 1 || d[1])
            bug("an invalidation that is not global");
        fake.queued += d[0] & 15;
        return;
    case 5:
        fake.clean = fake.queued == 3;
        fake.queued = 0;
        *(u32 *)d[1] = (u32)(d[0] >> 32);
        return;
    default:
        bug("no such descriptor");
    }
}

static void run_queue(void)
{
    if (fake.deaf || !(fake.gsts & VTD_QIE))
        return;
    for (; fake.iqh != fake.iqt; fake.iqh = (fake.iqh + 16) % PAGE_SIZE)
        take_descriptor((const u64 *)((fake.iqa & ~0xfffull) + fake.iqh));
}

static void take_command(u32 v)
{
    u32 now = fake.gsts & (VTD_TE | VTD_QIE | VTD_IRE), want = v & (VTD_TE | VTD_QIE | VTD_IRE);
    if (__builtin_popcount((now ^ want) | (v & (VTD_SRTP | VTD_WBF))) > 1)
        bug("two commands at once");
    if ((now ^ want) & VTD_IRE)
        bug("interrupt remapping is not ours");
    if (v & VTD_SRTP && fake.stuck != VTD_SRTP) {
        fake.latched = fake.rtaddr;
        fake.clean = false;
        fake.gsts |= VTD_SRTP;
    }
    if (want & ~now & VTD_TE && !fake.clean)
        bug("translation with something cached of before");
    if (want & ~now & VTD_QIE)
        fake.iqh = 0;
    u32 moves = (now ^ want) & ~fake.stuck;
    fake.gsts = (fake.gsts & ~moves) | (want & moves);
}

static u64 read_fake(u64 at, u32 bytes)
{
    switch (at - VTD_FAKE_UNIT) {
    case VTD_CAP:
        return fake.cap;
    case VTD_ECAP:
        return fake.ecap;
    case VTD_GSTS:
        return fake.gsts;
    case VTD_RTADDR:
        return fake.rtaddr;
    case VTD_CCMD:
        return fake.deaf ? VTD_CCMD_BUSY : 0;
    case VTD_FECTL:
        return fake.fectl;
    case VTD_PMEN:
        return fake.pmen;
    case VTD_PLMBASE:
        return fake.plm[0];
    case VTD_PLMLIMIT:
        return fake.plm[1];
    case VTD_PHMBASE:
        return fake.phm[0];
    case VTD_PHMLIMIT:
        return fake.phm[1];
    case VTD_IQH:
        run_queue();
        return fake.iqh;
    case VTD_IQA:
        return fake.iqa;
    case IOTLB:
        return fake.deaf ? VTD_IOTLB_BUSY : 0;
    }
    (void)bytes;
    bug("no such register");
    return 0;
}

static void by_register(u32 what)
{
    if (fake.gsts & VTD_QIE)
        bug("registers beside a queue");
    if (what == 2 && fake.by_register != 1)
        bug("the IOTLB before the context cache");
    fake.by_register = what;
    fake.clean = what == 2 && !fake.deaf;
}

static void write_fake(u64 at, u32 bytes, u64 v)
{
    bool wide = true;
    switch (at - VTD_FAKE_UNIT) {
    case VTD_GCMD:
        wide = false;
        take_command((u32)v);
        break;
    case VTD_RTADDR:
        fake.rtaddr = v;
        break;
    case VTD_CCMD:
        if (v != VTD_CCMD_GLOBAL)
            bug("not all of the context cache");
        by_register(1);
        break;
    case IOTLB:
        if (v != VTD_IOTLB_GLOBAL)
            bug("not all of the IOTLB");
        by_register(2);
        break;
    case VTD_FECTL:
        wide = false;
        fake.fectl = (u32)v;
        break;
    case VTD_PMEN:
        wide = false;
        if (v & VTD_PMEN_EPM && fake.gsts & VTD_TE)
            bug("ranges beside tables");
        fake.pmen = (u32)v & VTD_PMEN_EPM;
        fake.pmen |= !!fake.pmen ^ (fake.stuck == 1);
        break;
    case VTD_PLMBASE:
    case VTD_PLMLIMIT:
        wide = false;
        if (fake.pmen & VTD_PMEN_PRS && fake.stuck != 1)
            bug("a range moved while it is on");
        if (!fake.locked)
            fake.plm[at - VTD_FAKE_UNIT == VTD_PLMLIMIT] = (u32)v & ~fake.wide;
        break;
    case VTD_PHMBASE:
    case VTD_PHMLIMIT:
        if (!fake.locked)
            fake.phm[at - VTD_FAKE_UNIT == VTD_PHMLIMIT] = v & ~(u64)fake.wide;
        break;
    case VTD_IQT:
        fake.iqt = v;
        break;
    case VTD_IQA:
        if (fake.gsts & VTD_QIE)
            bug("the queue moved while it is on");
        fake.iqa = v;
        break;
    default:
        bug("no such register");
    }
    if (bytes != (wide ? 8 : 4))
        bug("an access of another width");
}

static void flush_fake(u64 at, u64 bytes)
{
    for (u64 i = 0; i < bytes; i += PAGE_SIZE)
        fake.flushed[(at + i - (u64)fake.memory) / PAGE_SIZE] = 1;
}

const struct vtd_io vtd_fake_io = {read_fake, write_fake, flush_fake};

/* ---- what a device reaches ------------------------------------------------------------- */

static u64 entry_of(u64 table, u64 index)
{
    if (table < (u64)fake.memory || table >= (u64)fake.memory + VTD_FAKE_PAGES * PAGE_SIZE) {
        bug("a table outside of its pages");
        return 0;
    }
    if (!fake.flushed[(table - (u64)fake.memory) / PAGE_SIZE])
        bug("a table that only the cache has");
    return ((const u64 *)table)[index];
}

static bool translates(u16 source, u64 at)
{
    u64 root = entry_of(fake.latched, 2 * (source >> 8));
    u64 context = entry_of(root & ~0xfffull, 2u * (source & 0xff));
    u64 high = entry_of(root & ~0xfffull, 2u * (source & 0xff) + 1);
    u32 level = (high & 7) + 2;
    if ((root & 0xfff) != 1 || (context & 0xfff) != 1 || (high >> 8 & 0xffff) == 0)
        bug("reserved bits of a root or a context entry");
    if (!(fake.cap >> 8 >> (high & 7) & 1))
        bug("levels that the unit does not have");
    if (at >> (12 + 9 * level))
        return false;
    u64 table = context & ~0xfffull;
    for (;; level--) {
        u64 entry = entry_of(table, at >> (3 + 9 * level) & 511);
        if (!(entry & 3))
            return false;
        if (!(entry & 0x80)) {
            table = entry & ~0xfffull;
            continue;
        }
        if (!(fake.cap >> 34 >> (level - 2) & 1))
            bug("leaves that the unit does not have");
        if ((entry & ~0xfffull) != (at & ~((PAGE_SIZE << 9 * (level - 1)) - 1)))
            bug("an address leads elsewhere");
        return (entry & 3) == 3;
    }
}

bool vtd_fake_reaches(u16 source, u64 at)
{
    if (fake.pmen & VTD_PMEN_PRS) {
        bool low = fake.plm[0] <= at && at <= (fake.plm[1] | fake.wide) && at < 4 * GIB;
        bool high = fake.phm[0] <= at && at <= (fake.phm[1] | fake.wide);
        if ((low && fake.plm[0] <= fake.plm[1]) || (high && fake.phm[0] <= fake.phm[1]))
            return false;
    }
    return !(fake.gsts & VTD_TE) || translates(source, at);
}
