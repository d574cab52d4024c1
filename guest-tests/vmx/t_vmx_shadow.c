/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMCS shadowing used by an L1 for its L2: which VMREADs and VMWRITEs exit, what the others read
 * and write, their failures and faults, all encodings, and the life of the shadow VMCS in L1's
 * hands. A case's line is followed by one with what it left in the shadow VMCS (PG_VMCS_C) and as
 * error number in the current one. Memory operands behind EPT are t_vmx_shadow_ept.c's.
 */
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_shadow.h"

#define READ        "\x0f\x78\xca" /* VMREAD RDX, RCX */
#define WRITE       "\x0f\x79\xcb" /* VMWRITE RCX, RBX */
#define READ_MEM    "\x0f\x78\x08" /* VMREAD [RAX], RCX */
#define WRITE_MEM   "\x0f\x79\x08" /* VMWRITE RCX, [RAX] */
#define FIELD(NAME) REG(RCX, V_##NAME)
#define OFF         CLEAR(PROC2_CTL, PROC2_SHADOW), SET(VMCS_LINK_PTR, ~0ul)
/* clang-format off */
#define BIT_OF(PAGE, ENC) PHYS(PAGE, (ENC) / 64 * 8, 1ul << ((ENC) & 63))
/* clang-format on */
#define AT(PAGE, OFFSET) REG(RAX, L2_AT(PAGE) + (OFFSET))
#define HIGH(V)          (0xdead00000000ul | (V))

/* SDM 3C 26.1.3 "Instructions That Cause VM Exits Conditionally" and the operation of VMREAD and
 * VMWRITE. An access exits when shadowing is off, when the encoding has a bit from 15 up, or
 * when its bit in the bitmap is 1. Else it goes to the shadow VMCS, and without one is
 * VMfailInvalid. */
static const struct l2_case who[] = {
    CASE("read", L2_64, READ, FIELD(GUEST_TR_BASE)),
    CASE("write", L2_64, WRITE, FIELD(GUEST_TR_BASE)),
    CASE("control off read", L2_64, READ, FIELD(GUEST_TR_BASE), OFF),
    CASE("control off write", L2_64, WRITE, FIELD(GUEST_TR_BASE), OFF),
    CASE("secondary off read", L2_64, READ, FIELD(GUEST_TR_BASE), CLEAR(PROC_CTL, PROC_SECONDARY),
         SET(VMCS_LINK_PTR, ~0ul)),
    CASE("read bit read", L2_64, READ, FIELD(GUEST_TR_BASE),
         BIT_OF(PG_VMREAD_BITMAP, V_GUEST_TR_BASE)),
    CASE("read bit write", L2_64, WRITE, FIELD(GUEST_TR_BASE),
         BIT_OF(PG_VMREAD_BITMAP, V_GUEST_TR_BASE)),
    CASE("write bit read", L2_64, READ, FIELD(GUEST_TR_BASE),
         BIT_OF(PG_VMWRITE_BITMAP, V_GUEST_TR_BASE)),
    CASE("write bit write", L2_64, WRITE, FIELD(GUEST_TR_BASE),
         BIT_OF(PG_VMWRITE_BITMAP, V_GUEST_TR_BASE)),
    CASE("neighbour's bit", L2_64, READ, FIELD(GUEST_TR_BASE),
         BIT_OF(PG_VMREAD_BITMAP, V_GUEST_TR_BASE + 2)),
    CASE("high half's bit", L2_64, READ, REG(RCX, V_TSC_OFFSET | 1),
         BIT_OF(PG_VMREAD_BITMAP, V_TSC_OFFSET | 1)),
    CASE("full's bit, high half", L2_64, READ, REG(RCX, V_TSC_OFFSET | 1),
         BIT_OF(PG_VMREAD_BITMAP, V_TSC_OFFSET)),
    CASE("last bit", L2_64, READ, REG(RCX, 0x7fff), BIT_OF(PG_VMREAD_BITMAP, 0x7fff)),
    CASE("last bit clear", L2_64, READ, REG(RCX, 0x7fff)),
    CASE("bit 15", L2_64, READ, REG(RCX, 0x8000 | V_GUEST_TR_BASE)),
    CASE("bit 15 write", L2_64, WRITE, REG(RCX, 0x8000 | V_GUEST_TR_BASE)),
    CASE("bit 31", L2_64, READ, REG(RCX, 1ul << 31 | V_GUEST_TR_BASE)),
    CASE("bit 32", L2_64, READ, REG(RCX, 1ul << 32 | V_GUEST_TR_BASE)),
    CASE("bit 63 write", L2_64, WRITE, REG(RCX, 1ul << 63 | V_GUEST_TR_BASE)),
    CASE("bit 16", L2_PAE, READ, REG(RCX, 1ul << 16 | V_GUEST_TR_BASE)),
    CASE("rsp as operand", L2_64, "\x0f\x79\xcc", FIELD(GUEST_TR_BASE)),
    CASE("into rsp", L2_64, "\x0f\x78\xcc", FIELD(GUEST_TR_BASE),
         SET(GUEST_IDTR_BASE, L2_AT(P_IDT64))),
    CASE("r9 and r14", L2_64, "\x45\x0f\x78\xce", REG(R9, V_GUEST_TR_BASE)),
    CASE("its own index", L2_64, "\x0f\x78\xc9", FIELD(GUEST_TR_BASE)),
    CASE("bitmap in the hole", L2_64, READ, FIELD(GUEST_TR_BASE), SET(VMREAD_BITMAP, 0xd0000000)),
    CASE("bitmap high", L2_64, WRITE, FIELD(GUEST_TR_BASE), SET(VMWRITE_BITMAP, 0x8000000000)),
    CASE("no link read", L2_64, READ, FIELD(GUEST_TR_BASE), SET(VMCS_LINK_PTR, ~0ul)),
    CASE("no link write", L2_64, WRITE, FIELD(GUEST_TR_BASE), SET(VMCS_LINK_PTR, ~0ul)),
    CASE("no link, bit set", L2_64, READ, FIELD(GUEST_TR_BASE), SET(VMCS_LINK_PTR, ~0ul),
         BIT_OF(PG_VMREAD_BITMAP, V_GUEST_TR_BASE)),
    CASE("no link, no such field", L2_64, READ, REG(RCX, 0x6c1e), SET(VMCS_LINK_PTR, ~0ul)),
    CASE("no link, absent page", L2_64, WRITE_MEM, FIELD(GUEST_TR_BASE), AT(P_ABSENT, 0),
         SET(VMCS_LINK_PTR, ~0ul)),
    CASE("read", L2_64_R3, READ, FIELD(GUEST_TR_BASE)),
    CASE("write", L2_64_R3, WRITE, FIELD(GUEST_TR_BASE)),
    CASE("not intercepted", L2_64_R3, READ, FIELD(GUEST_TR_BASE), SET(EXCEPTION_BITMAP, 0)),
    CASE("bit set", L2_64_R3, READ, FIELD(GUEST_TR_BASE),
         BIT_OF(PG_VMREAD_BITMAP, V_GUEST_TR_BASE)),
    CASE("no link", L2_64_R3, READ, FIELD(GUEST_TR_BASE), SET(VMCS_LINK_PTR, ~0ul)),
    CASE("read", L2_COMPAT, READ, FIELD(GUEST_TR_BASE)),
    CASE("read", L2_COMPAT_R3, READ, FIELD(GUEST_TR_BASE)),
    CASE("write", L2_V86, WRITE, FIELD(GUEST_TR_BASE)),
    CASE("read", L2_32_R3, READ, FIELD(GUEST_TR_BASE)),
    CASE("read", L2_PAE, READ, FIELD(GUEST_TR_BASE)),
    CASE("write", L2_32, WRITE, FIELD(GUEST_TR_BASE)),
    CASE("write", L2_16, WRITE, FIELD(GUEST_TR_BASE)),
};

/* What an access does to values of each width, and the failures with numbers. A value is cut or
 * extended with zeros to the width, and no such field is VMfailValid 12. SDM 3C 25.11.2 "VMREAD,
 * VMWRITE, and Encodings of VMCS Fields", SDM 3C 31.4 "VM Instruction Error Numbers" */
static const struct l2_case values[] = {
    CASE("read 16", L2_64, READ, FIELD(GUEST_TR_SEL)),
    CASE("read 32", L2_64, READ, FIELD(GUEST_TR_LIMIT)),
    CASE("read rights", L2_64, READ, FIELD(GUEST_TR_AR)),
    CASE("read 64", L2_64, READ, FIELD(TSC_OFFSET)),
    CASE("read high", L2_64, READ, REG(RCX, V_TSC_OFFSET | 1)),
    CASE("read information", L2_64, READ, FIELD(EXIT_REASON)),
    CASE("read error field", L2_64, READ, FIELD(INSN_ERROR)),
    CASE("write 16", L2_64, WRITE, FIELD(GUEST_TR_SEL), REG(RBX, ~0ul)),
    CASE("write 32", L2_64, WRITE, FIELD(GUEST_TR_LIMIT), REG(RBX, ~0ul)),
    CASE("write rights", L2_64, WRITE, FIELD(GUEST_TR_AR), REG(RBX, 0x1f0ff)),
    CASE("write 64", L2_64, WRITE, FIELD(TSC_OFFSET), REG(RBX, 0x123456789abcdef0)),
    CASE("write high", L2_64, WRITE, REG(RCX, V_TSC_OFFSET | 1), REG(RBX, 0x123456789abcdef0)),
    CASE("write information", L2_64, WRITE, FIELD(EXIT_QUALIFICATION)),
    CASE("write error field", L2_64, WRITE, FIELD(INSN_ERROR)),
    CASE("write link", L2_64, WRITE READ, FIELD(VMCS_LINK_PTR)),
    CASE("write own controls", L2_64, WRITE READ, FIELD(PROC2_CTL), REG(RBX, 0)),
    CASE("read no such field", L2_64, READ, REG(RCX, 0x6c1e)),
    CASE("write no such field", L2_64, WRITE, REG(RCX, 0x6c1e)),
    CASE("high half of 32 bits", L2_64, READ, REG(RCX, V_GUEST_TR_LIMIT | 1)),
    CASE("bit 12", L2_64, READ, REG(RCX, 0x1000 | V_GUEST_TR_BASE)),
    CASE("field of pml", L2_64, READ, REG(RCX, 0x200e)),
    CASE("no such field into absent", L2_64, READ_MEM, REG(RCX, 0x6c1e), AT(P_ABSENT, 0)),
    CASE("no such field from absent", L2_64, WRITE_MEM, REG(RCX, 0x6c1e), AT(P_ABSENT, 0)),
    CASE("flags", L2_64, READ, FIELD(GUEST_TR_BASE), OR(GUEST_RFLAGS, FLAGS_ARITH)),
    CASE("flags of a failure", L2_64, READ, REG(RCX, 0x6c1e), OR(GUEST_RFLAGS, FLAGS_ARITH)),
    CASE("good after bad", L2_64, READ WRITE, REG(RCX, 0x6c1e)),
    CASE("read 64", L2_PAE, READ, FIELD(TSC_OFFSET)),
    CASE("read high", L2_PAE, READ, REG(RCX, V_TSC_OFFSET | 1)),
    CASE("read natural", L2_32, READ, FIELD(GUEST_TR_BASE)),
    CASE("write 64", L2_PAE, WRITE, FIELD(TSC_OFFSET), REG(RBX, 0x9abcdef0)),
    CASE("write high", L2_PAE, WRITE, REG(RCX, V_TSC_OFFSET | 1), REG(RBX, 0x9abcdef0)),
    CASE("write natural", L2_PAE, WRITE, FIELD(GUEST_TR_BASE), REG(RBX, 0x9abcdef0)),
    CASE("write 32", L2_16, WRITE, FIELD(GUEST_TR_LIMIT), REG(RBX, 0x9abcdef0)),
    CASE("no such field", L2_PAE, WRITE, REG(RCX, 0x6c1e)),
};

#define DIES SET(EXCEPTION_BITMAP, 0) /* the fault is delivered in L2 */
/* An operand that L2 may not access is L2's fault, and the exception bitmap decides who gets it.
 * SDM 3C 25.6.3 "Exception Bitmap" */
static const struct l2_case memory[] = {
    CASE("read", L2_64, READ_MEM, FIELD(GUEST_TR_BASE), AT(P_DATA, 0x100)),
    CASE("write", L2_64, WRITE_MEM, FIELD(GUEST_TR_BASE), AT(P_DATA, 0x100),
         MEM(P_DATA, 0x100, 0x1122334455667788)),
    CASE("read 16 bits", L2_64, READ_MEM, FIELD(GUEST_TR_SEL), AT(P_DATA, 0x100),
         MEM(P_DATA, 0x100, ~0ul)),
    CASE("unaligned", L2_64, READ_MEM, FIELD(GUEST_TR_BASE), AT(P_DATA, 0x103)),
    CASE("sib", L2_64, "\x0f\x78\x4c\xd0\x10", FIELD(GUEST_TR_BASE), AT(P_DATA, 0), REG(RDX, 5)),
    CASE("rsp", L2_64, "\x0f\x78\x4c\x24\xf8", FIELD(GUEST_TR_BASE)),
    CASE("rip", L2_64, "\x0f\x78\x0d\xf9\x10\x00\x00", FIELD(GUEST_TR_BASE)),
    CASE("across", L2_64, READ_MEM, FIELD(GUEST_TR_BASE), AT(P_STACK, -4)),
    CASE("across from", L2_64, WRITE_MEM, FIELD(GUEST_TR_BASE), AT(P_STACK, -3),
         MEM(P_DATA, 0xff8, 0x8877665544332211), MEM(P_STACK, 0, 0xffeeddccbbaa9900)),
    CASE("write from read-only", L2_64, WRITE_MEM, FIELD(GUEST_TR_BASE), AT(P_READ_ONLY, 8)),
    CASE("read into read-only", L2_64, READ_MEM, FIELD(GUEST_TR_BASE), AT(P_READ_ONLY, 8)),
    CASE("read into read-only without wp", L2_64, READ_MEM, FIELD(GUEST_TR_BASE),
         AT(P_READ_ONLY, 8), CLEAR(GUEST_CR0, CR0_WP)),
    CASE("absent", L2_64, READ_MEM, FIELD(GUEST_TR_BASE), AT(P_ABSENT, 8)),
    CASE("from absent", L2_64, WRITE_MEM, FIELD(GUEST_TR_BASE), AT(P_ABSENT, 8)),
    CASE("into absent", L2_64, WRITE_MEM, FIELD(GUEST_TR_BASE), AT(P_ABSENT, -4)),
    CASE("into read-only", L2_64, READ_MEM, FIELD(GUEST_TR_BASE), AT(P_READ_ONLY, -4)),
    CASE("absent, delivered", L2_64, READ_MEM, FIELD(GUEST_TR_BASE), AT(P_ABSENT, 8), DIES),
    CASE("into absent, delivered", L2_64, WRITE_MEM, FIELD(GUEST_TR_BASE), AT(P_ABSENT, -4), DIES),
    CASE("reserved bit", L2_64, WRITE_MEM, FIELD(GUEST_TR_BASE), AT(P_SPARE, 0),
         PHYS(PG_L2_TABLES + 3, (16 + P_SPARE) * 8, 1ul << 51 | 7)),
    CASE("smap", L2_64, READ_MEM, FIELD(GUEST_TR_BASE), AT(P_DATA, 0), OR(GUEST_CR4, 1 << 21)),
    CASE("mask keeps it from L1", L2_64, READ_MEM, FIELD(GUEST_TR_BASE), AT(P_ABSENT, 8),
         SET(PF_ERROR_MASK, 2), SET(PF_ERROR_MATCH, 0)),
    CASE("mask gives it to L1", L2_64, READ_MEM, FIELD(GUEST_TR_BASE), AT(P_ABSENT, 8),
         SET(PF_ERROR_MASK, 2), SET(PF_ERROR_MATCH, 2)),
    CASE("noncanonical", L2_64, READ_MEM, FIELD(GUEST_TR_BASE), REG(RAX, 0x800000000000)),
    CASE("into the gap", L2_64, WRITE_MEM, FIELD(GUEST_TR_BASE), REG(RAX, 0x7ffffffffffc)),
    CASE("noncanonical, delivered", L2_64, READ_MEM, FIELD(GUEST_TR_BASE), REG(RAX, 0x800000000000),
         DIES),
    CASE("noncanonical stack", L2_64, "\x0f\x78\x4d\x00", FIELD(GUEST_TR_BASE),
         REG(RBP, 0x800000000000)),
    CASE("nothing there", L2_64, WRITE_MEM, FIELD(GUEST_TR_BASE), AT(P_SPARE, 0),
         PHYS(PG_L2_TABLES + 3, (16 + P_SPARE) * 8, 0xd0000007)),
    CASE("absent", L2_64_R3, READ_MEM, FIELD(GUEST_TR_BASE), AT(P_ABSENT, 8)),
    CASE("bit set, absent", L2_64, READ_MEM, FIELD(GUEST_TR_BASE), AT(P_ABSENT, 8),
         BIT_OF(PG_VMREAD_BITMAP, V_GUEST_TR_BASE)),
    CASE("bit set, displacement", L2_64, "\x0f\x79\x88\x78\x56\x34\x12", FIELD(GUEST_TR_BASE),
         BIT_OF(PG_VMWRITE_BITMAP, V_GUEST_TR_BASE)),
    CASE("read", L2_PAE, READ_MEM, FIELD(GUEST_TR_BASE), AT(P_DATA, 0x100),
         MEM(P_DATA, 0x100, ~0ul)),
    CASE("write", L2_PAE, WRITE_MEM, FIELD(GUEST_TR_BASE), AT(P_DATA, 0x100),
         MEM(P_DATA, 0x100, 0x1122334455667788)),
    CASE("read", L2_32, READ_MEM, FIELD(GUEST_TR_BASE), AT(P_DATA, 0x100),
         MEM(P_DATA, 0x100, ~0ul)),
    CASE("across", L2_32, READ_MEM, FIELD(GUEST_TR_BASE), AT(P_STACK, -2)),
    CASE("absent", L2_PAE, READ_MEM, FIELD(GUEST_TR_BASE), AT(P_ABSENT, 8)),
    CASE("absent", L2_32, WRITE_MEM, FIELD(GUEST_TR_BASE), AT(P_ABSENT, 8)),
    CASE("pdpte absent", L2_PAE, WRITE_MEM, FIELD(GUEST_TR_BASE), REG(RAX, 0x40000000)),
    CASE("read-only segment", L2_PAE, READ_MEM, FIELD(GUEST_TR_BASE), AT(P_DATA, 0),
         SET(GUEST_DS_AR, 0xc091)),
    CASE("from a read-only segment", L2_PAE, WRITE_MEM, FIELD(GUEST_TR_BASE), AT(P_DATA, 0),
         SET(GUEST_DS_AR, 0xc091)),
    CASE("no segment", L2_PAE, READ_MEM, FIELD(GUEST_TR_BASE), AT(P_DATA, 0),
         SET(GUEST_DS_AR, 0x10000)),
    CASE("limit", L2_32, READ_MEM, FIELD(GUEST_TR_BASE), AT(P_DATA, 0),
         SET(GUEST_DS_LIMIT, L2_AT(P_DATA) + 2), SET(GUEST_DS_AR, 0x4093)),
    CASE("limit reached", L2_32, READ_MEM, FIELD(GUEST_TR_BASE), AT(P_DATA, 0),
         SET(GUEST_DS_LIMIT, L2_AT(P_DATA) + 3), SET(GUEST_DS_AR, 0x4093)),
    CASE("stack limit", L2_32, "\x0f\x78\x4c\x24\x00", FIELD(GUEST_TR_BASE),
         SET(GUEST_SS_LIMIT, 0xfff), SET(GUEST_SS_AR, 0x4093)),
    CASE("base", L2_32, READ_MEM, FIELD(GUEST_TR_BASE), REG(RAX, 0x108),
         SET(GUEST_DS_BASE, L2_AT(P_DATA))),
    CASE("address size", L2_32, "\x67\x0f\x78\x0f", FIELD(GUEST_TR_BASE), REG(RBX, HIGH(0x10)),
         SET(GUEST_DS_BASE, L2_AT(P_DATA))),
    CASE("read", L2_16, "\x0f\x78\x0f", FIELD(GUEST_TR_BASE), REG(RBX, 0x1100)),
};

/* How the instruction ends: RF, TF, blocking, and nothing left over. A completed access ends the
 * blocking and is one step. An access that faults is none. SDM 3B 18.3.1.4 "Single-Step
 * Exception Condition" */
static const struct l2_case steps[] = {
    CASE("step read", L2_64, READ, FIELD(GUEST_TR_BASE), OR(GUEST_RFLAGS, FLAG_TF)),
    CASE("step write", L2_64, WRITE, FIELD(GUEST_TR_BASE), OR(GUEST_RFLAGS, FLAG_TF)),
    CASE("step memory", L2_64, READ_MEM, FIELD(GUEST_TR_BASE), AT(P_DATA, 0),
         OR(GUEST_RFLAGS, FLAG_TF)),
    CASE("step failure", L2_64, READ, REG(RCX, 0x6c1e), OR(GUEST_RFLAGS, FLAG_TF)),
    CASE("step fault", L2_64, READ_MEM, FIELD(GUEST_TR_BASE), AT(P_ABSENT, 0),
         OR(GUEST_RFLAGS, FLAG_TF)),
    CASE("step fault, delivered", L2_64, READ_MEM, FIELD(GUEST_TR_BASE), AT(P_ABSENT, 0),
         OR(GUEST_RFLAGS, FLAG_TF), DIES),
    CASE("step delivered", L2_64, READ, FIELD(GUEST_TR_BASE), OR(GUEST_RFLAGS, FLAG_TF), DIES),
    CASE("step branches", L2_PAE, READ, FIELD(GUEST_TR_BASE), OR(GUEST_RFLAGS, FLAG_TF)),
    CASE("resume flag", L2_64, READ, FIELD(GUEST_TR_BASE), OR(GUEST_RFLAGS, FLAG_RF)),
    CASE("sti blocking", L2_64, READ, FIELD(GUEST_TR_BASE), OR(GUEST_RFLAGS, FLAG_IF),
         SET(GUEST_INTERRUPTIBILITY, 1)),
    CASE("mov ss blocking", L2_64, WRITE_MEM, FIELD(GUEST_TR_BASE), AT(P_DATA, 0),
         SET(GUEST_INTERRUPTIBILITY, 2)),
    CASE("mov ss blocking, exit", L2_64, READ, FIELD(GUEST_TR_BASE), SET(GUEST_INTERRUPTIBILITY, 2),
         BIT_OF(PG_VMREAD_BITMAP, V_GUEST_TR_BASE)),
    CASE("apic page", L2_64, READ_MEM, FIELD(GUEST_TR_BASE), AT(P_APIC, 0x80),
         OR(PROC2_CTL, PROC2_APIC_ACCESS)),
    CASE("from apic page", L2_64, WRITE_MEM, FIELD(GUEST_TR_BASE), AT(P_APIC, 0x300),
         OR(PROC2_CTL, PROC2_APIC_ACCESS)),
};

/* Encodings by the hundred in L2: 256 VMWRITEs of RCX-dependent values (with no bit that access
 * rights reserve), then 256 VMREADs; flags and values in the data page, 16 bytes an encoding. */
/* RDX = RCX << 48 | CL | R8; VMWRITE */
/* flags to [RDI + 8]; next */
static const char sweep[] =
    "\x48\x89\xca\x48\xc1\xe2\x30\x88\xca\x4c\x09\xc2\x0f\x79\xca"
    "\x9c\x58\x66\x89\x47\x08\x48\xff\xc1\x48\x83\xc7\x10\x48\xff\xcb\x75\xdf"
    "\x48\x81\xe9\x00\x01\x00\x00\x48\x81\xef\x00\x10\x00\x00\xbb\x00\x01\x00\x00"
    "\x48\x89\xca\x0f\x78\xca\x9c\x58\x48\x89\x17\x66\x89\x47\x0a" /* RDX = RCX; VMREAD */
    "\x48\xff\xc1\x48\x83\xc7\x10\x48\xff\xcb\x75\xe5";

static u64 mixed(u64 hash, u64 v)
{
    return (hash ^ v) * 0x100000001b3;
}

static void sweep_256(u32 first)
{
    struct result {
        u64 value;
        u16 wrote, read;
        u32 none;
    } *r = arena(PG_L2 + P_DATA);
    u64 hash = 0xcbf29ce484222325, of_l1 = hash;
    unsigned readable = 0, writable = 0;

    shadow_world(L2_64);
    shadow_fill();
    l2_code(sweep, sizeof sweep - 1);
    l2.gpr[RCX] = first;
    l2.gpr[RBX] = 256;
    l2.gpr[RDI] = L2_AT(P_DATA);
    l2.gpr[R8] = 0x0000ba980001b000;
    l2.f[VI_PREEMPTION_TIMER] = 0x7fffffff;
    l2_write();
    u64 reads = ept_l2_exits(REASON_VMREAD), writes = ept_l2_exits(REASON_VMWRITE);
    l2_enter(false);
    reads = ept_l2_exits(REASON_VMREAD) - reads;
    writes = ept_l2_exits(REASON_VMWRITE) - writes;
    gt_check((u32)l2_seen[VI_EXIT_REASON] == REASON_VMCALL, "block_%04x: exit %lu", first,
             l2_seen[VI_EXIT_REASON]);
    gt_check(!gt_under_nidus() || (reads == 256 && writes == 256), "block_%04x: %lu and %lu exits",
             first, reads, writes);
    vmx_vmptrld(ARENA_AT(PG_VMCS_C));
    for (u32 i = 0; i < 256; i++) {
        u64 v = 0;

        readable += !(r[i].read & FLAGS_ARITH);
        writable += !(r[i].wrote & FLAGS_ARITH);
        hash = mixed(mixed(hash, r[i].value),
                     (r[i].read & FLAGS_ARITH) << 16 | (r[i].wrote & FLAGS_ARITH));
        of_l1 = mixed(of_l1, (u64)vmx_vmread(first + i, &v));
        if (first + i != V_INSN_ERROR) /* L1's failures stand there now */
            of_l1 = mixed(of_l1, v);
    }
    vmx_vmptrld(ARENA_AT(PG_VMCS_A));
    gt_line("block_%04x: readable %u writable %u error %lu hash %lx for L1 %lx", first, readable,
            writable, l2_seen[VI_INSN_ERROR], hash, of_l1);
}

/* Accessed and dirty flags of L2's own tables, from the top. A walk sets the accessed flag at
 * each level, and a write the dirty flag of the last. PDPTEs of PAE paging have neither. SDM 3A
 * 4.8 "Accessed and Dirty Flags" */
static void own_flags(enum l2_mode mode, bool write, const char *name)
{
    static const u8 level[3][4] = {{0, 1, 2, 3}, {2, 3}, {5, 6}};
    unsigned kind = mode == L2_64 ? 0 : mode == L2_PAE ? 1 : 2;
    u64 f[4] = {0};

    shadow_world(mode);
    shadow_fill();
    l2_code(write ? WRITE_MEM : READ_MEM, 3);
    l2.gpr[RAX] = L2_AT(P_SPARE);
    l2.gpr[RCX] = V_GUEST_TR_BASE;
    l2_write();
    l2_enter(false);
    for (unsigned i = 0; i < 4 && (i == 0 || level[kind][i]); i++) {
        bool last = i == 3 || !level[kind][i + 1];
        u64 index = last ? 16 + P_SPARE : 0;
        f[i] = kind == 2 ? ((u32 *)arena(PG_L2_TABLES + level[kind][i]))[index]
                         : ((u64 *)arena(PG_L2_TABLES + level[kind][i]))[index];
    }
    gt_line("flags.%s: %lx %lx %lx %lx", name, f[0] & 0x60, f[1] & 0x60, f[2] & 0x60, f[3] & 0x60);
}

/* The shadow VMCS in L1's hands: what L2 writes shows after VMPTRLD alone and after VMCLEAR, what
 * L1 wrote shows to L2 without VMCLEAR, and the current VMCS keeps its own. */
static void life(void)
{
    u64 v = 0, pointer = 0;

    shadow_world(L2_64);
    shadow_fill();
    l2_code(READ WRITE, 6);
    l2.gpr[RCX] = V_GUEST_TR_BASE;
    l2.gpr[RBX] = 0x1001;
    l2_write();
    vmx_vmptrld(ARENA_AT(PG_VMCS_C)); /* active from here on, and never cleared */
    vmx_vmwrite(V_GUEST_TR_BASE, 0x1000);
    vmx_vmptrld(ARENA_AT(PG_VMCS_A));
    l2_enter(false);
    vmx_vmptrst(&pointer);
    gt_line("life.first: %s read %lx own %lx current %lx", ept_result(), l2_seen_gpr[RDX],
            l2_seen[VI_GUEST_TR_BASE], pointer - ARENA);
    for (u64 i = 0; i < 3; i++) {
        vmx_vmptrld(ARENA_AT(PG_VMCS_C));
        vmx_vmread(V_GUEST_TR_BASE, &v);
        if (i == 1)
            vmx_vmclear(ARENA_AT(PG_VMCS_C));
        vmx_vmptrld(ARENA_AT(PG_VMCS_A));
        vmx_vmwrite(V_GUEST_RIP, L2_AT(P_CODE));
        l2.gpr[RBX] = 0x2000 + i;
        l2_enter(true);
        gt_line("life.again_%lu: L1 read %lx, L2 %s read %lx", i, v, ept_result(),
                l2_seen_gpr[RDX]);
    }
    vmx_vmptrld(ARENA_AT(PG_VMCS_C)); /* CAVEAT(bochs-launch-shadow) */
    vmx_vmwrite(V_INSN_ERROR, 0);
    l2_enter(false);
    gt_line("life.launch_shadow: flags %lx error %lx", l2_seen_rflags & FLAGS_ARITH,
            vmx_get(V_INSN_ERROR));
    l2_enter(true);
    gt_line("life.resume_shadow: flags %lx error %lx", l2_seen_rflags & FLAGS_ARITH,
            vmx_get(V_INSN_ERROR));
    vmx_vmptrld(ARENA_AT(PG_VMCS_A));
    vmx_off();
    *(u32 *)arena(PG_VMXON) |= 1u << 31;
    int refused = vmx_vmxon(ARENA_AT(PG_VMXON));
    *(u32 *)arena(PG_VMXON) &= ~(1u << 31);
    gt_line("life.vmxon_shadow: %d", refused);
}

#define RUN(TABLE) shadow_cases(TABLE, sizeof TABLE / sizeof *TABLE)

TEST_MAIN(vmx_shadow)
{
    vmx_begin();
    if (vmx_has2(PROC2_SHADOW) && vmx_on()) {
        l2_init();
        RUN(who);
        RUN(values);
        RUN(memory);
        RUN(steps);
        /* width and type: all fields there are */
        for (u32 kind = 0; kind < 16; kind += (u32)vmx_option("every", 1))
            sweep_256((kind & 12) << 11 | (kind & 3) << 10);
        sweep_256(0x0900);
        sweep_256(0x1c00);
        sweep_256(0x7f00);
        own_flags(L2_64, false, "64.read");
        own_flags(L2_64, true, "64.write");
        own_flags(L2_PAE, false, "pae.read");
        own_flags(L2_PAE, true, "pae.write");
        own_flags(L2_32, false, "32.read");
        own_flags(L2_32, true, "32.write");
        life();
    }
    vmx_end();
}
