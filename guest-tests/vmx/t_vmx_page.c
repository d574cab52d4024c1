/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * profile=broadwell as L1 sees it: capabilities that a Core i7-5600U could have, fields that it
 * lacks refused, and L1's page in the layout of VMCS revision 0x12 whenever the VMCS is clear. The
 * numbers are typed from the published tables, not from Nidus. On a CPU with another revision,
 * as under profile=host, nothing is checked and the transcript is the same.
 *
 * Right: The capabilities are those of the published part, and a field without its control is
 * VMfailValid 12. SDM 3D A "VMX Capability Reporting Facility"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"

enum { BROADWELL = 0x12, REGION = 1024, PAGE = PG_FREE };

/* ---- capabilities ---- */
struct word {
    u16 msr;
    u64 table; /* the i7-5600U's */
    u64 exact; /* bits that hardware and implementation cannot take away */
};
#define MUST 0xffffffffu /* a control that must be 1 must be so under any CPU of that kind */

/* clang-format off */
static const struct word words[] = {
    {0x480, 0x00da040000000012, ~(1ul << 54)},
    {0x481, 0x0000007f00000016, MUST},
    {0x482, 0xfff9fffe0401e172, MUST},
    {0x483, 0x007fffff00036dff, MUST},
    {0x484, 0x0000ffff000011ff, MUST},
    {0x485, 0x00000000300481e5, ~0x01ff01fful},
    {0x486, 0x0000000080000021, ~0ul},
    {0x488, 0x0000000000002000, ~0ul},
    {0x48a, 0x000000000000002a, ~0ul},
    {0x48b, 0x00057cff00000000, MUST},
    {0x48d, 0x0000007f00000016, MUST},
    {0x48e, 0xfff9fffe04006172, MUST},
    {0x48f, 0x007fffff00036dfb, MUST},
    {0x490, 0x0000ffff000011fb, MUST},
};
/* clang-format on */

static void capabilities(void)
{
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
        u64 v = gt_rdmsr(words[i].msr), timer_rate = words[i].msr == 0x485 ? 0x1f : 0;
        gt_check((v & ~words[i].table & ~timer_rate) == 0, "msr_%x: %lx has what the part lacks",
                 words[i].msr, v);
        gt_check(((v ^ words[i].table) & words[i].exact) == 0, "msr_%x: %lx, not %lx", words[i].msr,
                 v, words[i].table);
    }
    for (u32 msr = 0x492; msr < 0x494; msr++) {
        u32 lo, hi;
        GT_TRY("rdmsr", : "=a"(lo), "=d"(hi) : "c"(msr) : GT_CLOBBERS);
        gt_check(gt_exc.vector == 13, "msr_%x: %s", msr, gt_exc_text());
    }
}

/* ---- fields that this Broadwell lacks ---- */
static void lacking(void)
{
    static const u16 encodings[] = {
        0x0002, 0x0006, 0x0810, 0x0812, 0x0814, 0x200e, 0x2016, 0x2017, 0x201c,
        0x201e, 0x2020, 0x2022, 0x202c, 0x202e, 0x2030, 0x2032, 0x2034, 0x2042,
        0x2044, 0x2402, 0x2812, 0x2814, 0x2818, 0x2c06, 0x4024, 0x6828, 0x6c18,
    };
    for (unsigned i = 0; i < sizeof encodings / sizeof encodings[0]; i++) {
        u64 v = 7;
        enum vmx_status r = vmx_vmread(encodings[i], &v);
        gt_check(r == VMX_FAIL_VALID && vmx_get(V_INSN_ERROR) == 12, "read_%04x: %d", encodings[i],
                 r);
        enum vmx_status w = vmx_vmwrite(encodings[i], 1);
        gt_check(w == VMX_FAIL_VALID && vmx_get(V_INSN_ERROR) == 12, "write_%04x: %d", encodings[i],
                 w);
    }
}

/* ---- the bytes of L1's page ---- */
struct place {
    u16 enc, at, bytes;
};
static const struct place places[] = {
    {0x0800, 0x020, 2}, {0x0802, 0x030, 2}, {0x080c, 0x060, 2}, {0x080e, 0x070, 2},
    {0x0c00, 0x0c0, 2}, {0x0c0c, 0x0cc, 2}, {0x2000, 0x2c8, 8}, {0x2004, 0x2f8, 8},
    {0x200c, 0x0d0, 8}, {0x2010, 0x190, 8}, {0x2800, 0x0f8, 8}, {0x2802, 0x100, 8},
    {0x2804, 0x108, 8}, {0x2806, 0x110, 8}, {0x2c00, 0x310, 8}, {0x2c02, 0x318, 8},
    {0x4000, 0x128, 4}, {0x4002, 0x120, 4}, {0x4004, 0x2b0, 4}, {0x400a, 0x2b4, 4},
    {0x400c, 0x15c, 4}, {0x4012, 0x2b8, 4}, {0x4016, 0x150, 4}, {0x4402, 0x16c, 4},
    {0x4408, 0x178, 4}, {0x440e, 0x184, 4}, {0x4800, 0x024, 4}, {0x4802, 0x034, 4},
    {0x480e, 0x074, 4}, {0x4810, 0x0a4, 4}, {0x4812, 0x0b4, 4}, {0x4824, 0x138, 4},
    {0x4826, 0x13c, 4}, {0x482a, 0x200, 4}, {0x482e, 0x160, 4}, {0x4c00, 0x378, 4},
    {0x6000, 0x240, 8}, {0x6004, 0x250, 8}, {0x6008, 0x260, 8}, {0x600e, 0x278, 8},
    {0x6400, 0x198, 8}, {0x6408, 0x1b8, 8}, {0x640a, 0x1c0, 8}, {0x6800, 0x208, 8},
    {0x6802, 0x210, 8}, {0x6804, 0x218, 8}, {0x6806, 0x028, 8}, {0x6808, 0x038, 8},
    {0x6812, 0x068, 8}, {0x6814, 0x078, 8}, {0x6816, 0x0a8, 8}, {0x681a, 0x1c8, 8},
    {0x681c, 0x1d0, 8}, {0x681e, 0x1d8, 8}, {0x6820, 0x1e0, 8}, {0x6822, 0x1e8, 8},
    {0x6c00, 0x328, 8}, {0x6c02, 0x330, 8}, {0x6c04, 0x338, 8}, {0x6c06, 0x350, 8},
    {0x6c0c, 0x348, 8}, {0x6c14, 0x300, 8}, {0x6c16, 0x308, 8},
};
enum { PLACES = sizeof places / sizeof places[0], FILL = 0xc3 };

static u64 at(unsigned offset, unsigned bytes)
{
    u64 v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (u64)((volatile u8 *)arena(PAGE))[offset + i] << (8 * i);
    return v;
}

static void put(unsigned offset, unsigned bytes, u64 v)
{
    for (unsigned i = 0; i < bytes; i++)
        ((volatile u8 *)arena(PAGE))[offset + i] = (u8)(v >> (8 * i));
}

/* No two bytes of a needle are equal, and no two needles. */
static u64 needle(unsigned i, unsigned bytes)
{
    u64 v = 0x1021324354657687ul + 0x0101010101010101ul * i;
    return bytes == 8 ? v : v & ((1ul << 8 * bytes) - 1);
}

/* Bytes beyond the region that IA32_VMX_BASIC told belong to L1. */
static void rest_is_untouched(const char *when)
{
    unsigned changed = 0;
    for (unsigned i = REGION; i < 4096; i++)
        changed += at(i, 1) != FILL;
    gt_check(changed == 0, "beyond: %u bytes changed by %s", changed, when);
    gt_check(at(0, 4) == BROADWELL, "revision: %lx after %s", at(0, 4), when);
}

/* VMWRITE, VMCLEAR: the values stand where Broadwell has them. */
static void written_back(void)
{
    for (unsigned i = 0; i < PLACES; i++)
        gt_check(vmx_vmwrite(places[i].enc, needle(i, places[i].bytes)) == VMX_OK, "vmwrite_%04x",
                 places[i].enc);
    gt_check(vmx_vmwrite(0x4816, 0x1a09b & 0xf0ff) == VMX_OK, "vmwrite_4816");
    gt_check(vmx_vmclear(ARENA_AT(PAGE)) == VMX_OK, "vmclear");
    for (unsigned i = 0; i < PLACES; i++)
        gt_check(at(places[i].at, places[i].bytes) == needle(i, places[i].bytes),
                 "page_%04x: %lx at %x", places[i].enc, at(places[i].at, places[i].bytes),
                 places[i].at);
    gt_check(at(0x032, 2) == 0xa09b, "page_4816: %lx", at(0x032, 2));
    gt_check(at(0x0d8, 4) == 0, "launch_state: %lx", at(0x0d8, 4));
    rest_is_untouched("vmclear");
}

/* L1 edits its page while the VMCS is clear, as no L1 should: VMPTRLD reads what stands there. */
static void read_back(void)
{
    for (unsigned i = 0; i < PLACES; i++)
        put(places[i].at, places[i].bytes, needle(i + 100, places[i].bytes));
    put(0x032, 2, 0xc093);
    gt_check(vmx_vmptrld(ARENA_AT(PAGE)) == VMX_OK, "vmptrld");
    for (unsigned i = 0; i < PLACES; i++) {
        u64 v = 0;
        vmx_vmread(places[i].enc, &v);
        gt_check(v == needle(i + 100, places[i].bytes), "read_%04x: %lx", places[i].enc, v);
    }
    gt_check(vmx_get(0x4816) == 0xc093, "read_4816: %lx", vmx_get(0x4816));
    gt_check(vmx_get(0x2801) == needle(10 + 100, 8) >> 32, "read_2801: %lx", vmx_get(0x2801));
    rest_is_untouched("vmptrld");
    gt_check(vmx_vmclear(ARENA_AT(PAGE)) == VMX_OK, "vmclear");
}

static void broadwell(void)
{
    for (unsigned i = 0; i < 4096; i++)
        put(i, 1, i < REGION ? 0 : FILL);
    put(0, 4, BROADWELL);
    gt_check(vmx_vmclear(ARENA_AT(PAGE)) == VMX_OK && vmx_vmptrld(ARENA_AT(PAGE)) == VMX_OK,
             "load");
    lacking();
    written_back();
    read_back();
}

TEST_MAIN(vmx_page)
{
    bool shown = (u32)gt_rdmsr(0x480) == BROADWELL;
    if (shown)
        capabilities();
    vmx_begin();
    if (vmx_on() && shown)
        broadwell();
    gt_line("done: 1");
    vmx_end();
}
