/*
 * Memory operands of L1's VMX instructions: from the exit's instruction information through
 * L1's segments and page tables to L1's memory. The decoding and the walk are pure
 * (hv/arch/operand.c, pagewalk.c); here they meet the registers of vmcs01.
 */
#include "hv/nested/nested.h"
#include "hv/arch/pagewalk.h"
#include "hv/core/insn.h"
#include "hv/vmx/guestmem.h"
#include "hv/vmx/insn.h"

/* An operand that has been translated: at most two pieces, as it may cross one page end. */
struct place {
    gpa1_t at[2];
    unsigned size[2];
};

static u64 table_read(void *ctx, u64 gpa, unsigned size)
{
    u64 v = ~0ull;
    bool there = gpa1_read(ctx, GPA1(gpa), &v, size);
    return there || size == 8 ? v : (u32)v; /* nothing there reads as all ones */
}

static bool table_set_flags(void *ctx, u64 gpa, unsigned size, u64 old, u64 new)
{
    void *entry = gpa1_map(ctx, GPA1(gpa));
    if (entry == NULL)
        return true; /* the write is dropped */
    if (size == 8)
        return __sync_bool_compare_and_swap((u64 *)entry, old, new);
    return __sync_bool_compare_and_swap((u32 *)entry, (u32)old, (u32)new);
}

static struct paging_state paging_of_l1(struct cpu *cpu)
{
    exit_more(cpu, SNAP_MODE | SNAP_STEP);
    struct paging_state p = {
        .cr0 = cpu->st.cr0, .cr3 = cpu->st.cr3, .cr4 = cpu->st.cr4, .efer = cpu->st.efer,
        .ac = any(cpu->st.rflags, RFLAGS_AC), .page_1g = cpu->vm->facts.page_1g,
        .cpl = (u8)guest_cpl(cpu), .maxphyaddr = (u8)cpu->vm->facts.phys_bits,
    };
    if (all(p.cr0, CR0_PG) && any(p.cr4, CR4_PAE) && !any(p.efer, EFER_LMA))
        for (unsigned i = 0; i < 4; i++)
            p.pdpte[i] = vmcs_read(ENC_guest_pdptr0 + 2 * i);
    return p;
}

static bool page_fault(struct cpu *cpu, u64 gla, u32 error_code)
{
    write_cr2(gla);
    fault(cpu, VEC_PF, error_code);
    return false;
}

/* Both pieces are translated before any byte moves, so a fault leaves memory unchanged. */
static bool translate(struct cpu *cpu, u64 gla, unsigned size, u64 access, struct place *place)
{
    struct paging_state p = paging_of_l1(cpu);
    struct walk_memory m = {cpu->vm, table_read, table_set_flags};
    unsigned room = (unsigned)(PAGE_SIZE - (gla & (PAGE_SIZE - 1)));
    place->size[0] = size < room ? size : room;
    place->size[1] = size - place->size[0];
    for (unsigned i = 0; i < 2 && place->size[i] != 0; i++) {
        u64 part = gla + (i ? place->size[0] : 0);
        struct walk_result r = pagewalk(&p, &m, part, access);
        if (!r.ok)
            return page_fault(cpu, part, r.error_code);
        place->at[i] = GPA1(r.gpa);
    }
    return true;
}

/* Bases, limits and rights lie in three rows of encodings two apart, in the order of
 * enum seg_number. SDM 3D B "Field Encoding in VMCS" */
static struct operand_segment segment_of_l1(unsigned seg)
{
    return (struct operand_segment){
        .base = vmcs_read(ENC_guest_es_base + 2 * seg),
        .limit = (u32)vmcs_read(ENC_guest_es_limit + 2 * seg),
        .ar = (u32)vmcs_read(ENC_guest_es_ar + 2 * seg),
    };
}

static bool locate(struct cpu *cpu, unsigned size, bool write, struct place *place)
{
    exit_more(cpu, SNAP_INSN_INFO | SNAP_QUAL | SNAP_RSP);
    cpu->regs.gpr[REG_RSP] = cpu->st.rsp;
    struct insn_operand op = operand_decode(cpu->exit.insn_info, cpu->exit.qual, cpu->regs.gpr);
    struct operand_segment seg = segment_of_l1(op.seg);
    struct operand_address a = operand_linear(&op, &seg, guest_is_64bit(cpu),
                                              any(cpu->st.cr4, CR4_LA57) ? 57 : 48, size, write);
    if (!a.ok) {
        fault(cpu, a.vector, 0);
        return false;
    }
    return translate(cpu, a.gla, size, write ? PF_W : 0, place);
}

bool nested_operand_read(struct cpu *cpu, void *to, unsigned size)
{
    struct place place;
    if (!locate(cpu, size, false, &place))
        return false;
    for (unsigned i = 0, done = 0; i < 2 && place.size[i] != 0; done += place.size[i++])
        if (!gpa1_read(cpu->vm, place.at[i], (u8 *)to + done, place.size[i]))
            continue; /* nothing there: it read as all ones, which is the answer */
    return true;
}

bool nested_operand_write(struct cpu *cpu, const void *from, unsigned size)
{
    struct place place;
    if (!locate(cpu, size, true, &place))
        return false;
    for (unsigned i = 0, done = 0; i < 2 && place.size[i] != 0; done += place.size[i++])
        if (!gpa1_write(cpu->vm, place.at[i], (const u8 *)from + done, place.size[i]))
            continue; /* nothing there: dropped, as the bus would */
    return true;
}
