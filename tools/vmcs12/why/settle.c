/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the conditions of a layout leave of a dump: fields that are printed but not loaded, cut, or
 * left out because they are zero. Contract in why.h.
 */
#include <string.h>

#include "hv/arch/cpu.h"
#include "hv/arch/segment.h"
#include "hv/saved/layout.h"
#include "tools/vmcs12/why/why.h"

static const enum vmcs_field rights_fields[SEG_COUNT] = {
    [SEG_ES] = F_guest_es_ar,     [SEG_CS] = F_guest_cs_ar, [SEG_SS] = F_guest_ss_ar,
    [SEG_DS] = F_guest_ds_ar,     [SEG_FS] = F_guest_fs_ar, [SEG_GS] = F_guest_gs_ar,
    [SEG_LDTR] = F_guest_ldtr_ar, [SEG_TR] = F_guest_tr_ar,
};

/* Xen before 4.0 prints its own form: bits 7:0 are the access rights' bits 7:0, bits 11:8 their
 * bits 15:12. It has no bit for "unusable". No other product prints that few digits with a G
 * bit. */
static bool has_packed_rights(const struct dump *d)
{
    bool upper = false;
    if (d->format != FORMAT_XEN)
        return false;
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        u64 ar = d->field[rights_fields[i]].number;
        if (!dump_knows(d, rights_fields[i]))
            continue;
        if (ar > 0xfff)
            return false;
        upper |= any(ar, 0xf00);
    }
    return upper;
}

static void unpack_rights(struct dump *d)
{
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        struct value *v = &d->field[rights_fields[i]];
        bool maybe_unusable = i != SEG_CS && i != SEG_TR && !any(v->number, AR_P);
        if (v->state != VALUE_KNOWN)
            continue;
        v->number = (v->number & 0xff) | (v->number & 0xf00) << 4;
        if (maybe_unusable)
            v->state = VALUE_LOST;
    }
    dump_note(d, "access rights are in Xen's packed form, which does not tell unusable segments");
}

/* What vmcs12 dump leaves out is zero, if all of its parts are there. */
static void fill_zeros(struct dump *d)
{
    if (d->layout == 0 || d->areas != 0xf)
        return;
    for (enum vmcs_field f = 0; f < F_COUNT; f++)
        if (d->field[f].state == VALUE_UNKNOWN &&
            layout_offset((enum vmcs_layout)(d->layout - 1), f) != LAYOUT_NONE)
            dump_set(d, f, 0);
}

/* XMHF's short form prints the low 16 bits of limits, with a slash before them; that part is never
 * read. What else a layout prints of a limit is whole. */
void dump_settle(struct dump *d)
{
    if (has_packed_rights(d))
        unpack_rights(d);
    fill_zeros(d);
    /* The first number without leading zeros in a dump that has them everywhere else was cut. */
    if (d->unpadded == 1 && d->padded > 8 && d->short_field < F_COUNT) {
        dump_note(d, "the number of %s is too short to be whole",
                  vmcs12_name((enum vmcs_field)d->short_field));
        dump_lose(d, (enum vmcs_field)d->short_field);
    }
    if (!d->has_reason && dump_knows(d, F_exit_reason)) {
        d->has_reason = true;
        d->reason = (u32)d->field[F_exit_reason].number;
    }
    if (!d->has_qualification && dump_knows(d, F_exit_qualification)) {
        d->has_qualification = true;
        d->qualification = d->field[F_exit_qualification].number;
    }
    u64 error = dump_knows(d, F_vm_instruction_error) ? d->field[F_vm_instruction_error].number : 0;
    if (!d->has_error && (error == 7 || error == 8) && !any(d->reason, EXIT_REASON_ENTRY_FAIL) &&
        d->format != FORMAT_IMAGE) {
        d->has_error = true;
        d->error = (u32)error;
    }
}

void dump_image(const struct dump *d, struct vmcs_image *v, u8 *rights_reserved)
{
    memset(v, 0, sizeof *v);
    *rights_reserved = 0;
    for (enum vmcs_field f = 0; f < F_COUNT; f++)
        if (dump_knows(d, f))
            vmcs12_set(v, f, d->field[f].number);
    for (unsigned i = 0; i < SEG_COUNT; i++)
        if (dump_knows(d, rights_fields[i]) && any(d->field[rights_fields[i]].number, AR_RESERVED))
            *rights_reserved |= (u8)(1u << i);
}
