/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMREAD and VMWRITE of all 65,536 encodings, and the round trip of every field. A hash per block
 * of 256 encodings covers outcome, error number and the value read back. CAVEAT(newer-controls): L1
 * has fewer fields than a newer processor.
 *
 * Right: An encoding that no field has is VMfailValid 12, a VMWRITE of exit information without
 * VMX_MISC[29] is 13, and a field reads back as far as it is wide. SDM 3C 25.11.2 "VMREAD,
 * VMWRITE, and Encodings of VMCS Fields"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

/* CAVEAT(vmwrite-ar-reserved): the reserved bits of access rights may not be stored; one line says
 * whether they are. */
#define AR_BITS 0x1f0fful
static u64 storable(u64 enc)
{
    return enc >= V_GUEST_ES_AR && enc <= V_GUEST_TR_AR && !(enc & 1) ? AR_BITS : ~0ul;
}

struct access {
    enum vmx_status status;
    u64 error, value;
};

static struct access try_read(u64 enc)
{
    struct access a = {.value = 0x1122334455667788};

    vmx_vmwrite(V_INSN_ERROR, 0);
    a.status = vmx_vmread(enc, &a.value);
    a.error = a.status == VMX_FAIL_VALID ? vmx_get(V_INSN_ERROR) : 0;
    return a;
}

static struct access try_write(u64 enc, u64 v)
{
    struct access a = {.value = v};

    vmx_vmwrite(V_INSN_ERROR, 0);
    a.status = vmx_vmwrite(enc, v);
    a.error = a.status == VMX_FAIL_VALID ? vmx_get(V_INSN_ERROR) : 0;
    return a;
}

static u64 mix(u64 hash, struct access a)
{
    hash = (hash ^ (u64)a.status) * 0x100000001b3;
    hash = (hash ^ a.error) * 0x100000001b3;
    return (hash ^ a.value) * 0x100000001b3;
}

/* Existing fields are counted so that a hash that differs says more than "something". */
static void block(u32 first)
{
    u64 hash = 0xcbf29ce484222325;
    unsigned readable = 0, writable = 0;

    for (u32 enc = first; enc < first + 256; enc++) {
        struct access r, w;

        w = try_write(enc, enc * 0x9e3779b97f4a7c15 & storable(enc));
        r = try_read(enc);
        if (enc == V_INSN_ERROR)
            r.value = w.value = 0; /* the probe itself writes this field */
        writable += w.status == VMX_OK;
        readable += r.status == VMX_OK;
        hash = mix(mix(hash, w), r);
    }
    gt_line("block_%04x: readable %u writable %u hash %lx", first, readable, writable, hash);
}

/* Bits 63:32 of the encoding operand, which select nothing. A read or write with one of them set
 * is VMfailValid 12. SDM 3C 31.4 "VM Instruction Error Numbers" */
static void wide_encodings(void)
{
    for (unsigned bit = 32; bit < 64; bit++) {
        struct access r = try_read(1ul << bit | V_GUEST_RIP),
                      w = try_write(1ul << bit | V_GUEST_RIP, 1);

        gt_line("wide_%u: read %d error %lu write %d error %lu", bit, r.status, r.error, w.status,
                w.error);
    }
}

static void round_trip(int i)
{
    static const u64 patterns[] = {0, ~0ul, 0xa5a5a5a5a5a5a5a5, 0x5a5a5a5a5a5a5a5a,
                                   0x0123456789abcdef};
    u32 enc = vmx_field[i].enc;
    u64 back[5], high = 0;

    for (unsigned p = 0; p < 5; p++) {
        vmx_vmwrite(enc, patterns[p] & storable(enc));
        back[p] = vmx_get(enc);
    }
    if (enc >> 13 == 1) {
        vmx_vmwrite(enc | 1, 0x13579bdf2468ace0);
        high = vmx_get(enc | 1);
    }
    gt_line("trip_%s: %lx %lx %lx %lx %lx high %lx then %lx", vmx_field[i].name, back[0], back[1],
            back[2], back[3], back[4], high, vmx_get(enc));
}

/* Each field gets its own value; only then are all read: one that aliases another shows. Each
 * holds what was written to it, as far as it is wide. SDM 3C 25.11.2 "VMREAD, VMWRITE, and
 * Encodings of VMCS Fields" */
static void distinct(void)
{
    unsigned wrong = 0;

    for (u64 i = 0; i < VMX_FIELDS; i++)
        vmx_vmwrite(vmx_field[i].enc, 0x0101010101010101 * (i + 1) & storable(vmx_field[i].enc));
    for (u64 i = 0; i < VMX_FIELDS; i++) {
        u64 mask = vmx_field[i].enc >> 13 == 0   ? 0xffff
                   : vmx_field[i].enc >> 13 == 2 ? 0xffffffff
                                                 : ~0ul;
        u64 got = vmx_get(vmx_field[i].enc);

        if (!l2_present[i] || i == VI_INSN_ERROR ||
            got == (0x0101010101010101 * (i + 1) & mask & storable(vmx_field[i].enc)))
            continue;
        gt_line("distinct_%s: %lx", vmx_field[i].name, got);
        wrong++;
    }
    gt_line("distinct: %u fields hold another value than was written", wrong);
}

/* Fields survive another VMCS's use and a VMCLEAR. */
static void survive(void)
{
    unsigned wrong = 0;

    for (u64 i = 0; i < VMX_FIELDS; i++)
        vmx_vmwrite(vmx_field[i].enc, 0x0303030303030303 * (i + 1));
    for (u64 i = 0; i < VMX_FIELDS; i++)
        l2_seen[i] = vmx_get(vmx_field[i].enc);
    *(u32 *)arena(PG_VMCS_B) = *(u32 *)arena(PG_VMXON);
    vmx_vmclear(ARENA_AT(PG_VMCS_B));
    vmx_vmptrld(ARENA_AT(PG_VMCS_B));
    for (u64 i = 0; i < VMX_FIELDS; i++)
        vmx_vmwrite(vmx_field[i].enc, 0);
    vmx_vmclear(ARENA_AT(PG_VMCS_A));
    vmx_vmptrld(ARENA_AT(PG_VMCS_A));
    for (u64 i = 0; i < VMX_FIELDS; i++)
        wrong += i != VI_INSN_ERROR && vmx_get(vmx_field[i].enc) != l2_seen[i];
    gt_line("survive: %u fields lost", wrong);
}

TEST_MAIN(vmx_fields)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        for (u32 first = 0; first < 0x10000; first += 256)
            block(first);
        wide_encodings();
        for (int i = 0; i < VMX_FIELDS; i++) {
            if (l2_present[i] && i != VI_INSN_ERROR)
                round_trip(i);
        }
        vmx_vmwrite(V_GUEST_ES_AR, ~0ul);
        gt_line("ar_reserved: all ones read back as %lx", vmx_get(V_GUEST_ES_AR));
        distinct();
        survive();
    }
    vmx_end();
}
