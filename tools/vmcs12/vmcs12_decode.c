/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Prints values of VMCS fields in words: control bits, access rights, events, exit reasons. Nothing
 * here knows a layout or a file.
 */
#include "tools/vmcs12/vmcs12_tool.h"

#include "hv/arch/vmx_error.h"

static void print_bits(FILE *out, enum bit_word word, u64 value, const char *lead)
{
    const char *between = lead;
    u64 nameless = 0;
    for (unsigned bit = 0; bit < 64; bit++) {
        const char *name = bit_name(word, bit);
        if ((value >> bit & 1) == 0)
            continue;
        if (name == NULL) {
            nameless |= 1ull << bit;
            continue;
        }
        fprintf(out, "%s%s", between, name);
        between = ", ";
    }
    if (nameless != 0)
        fprintf(out, "%sand 0x%llx", nameless == value ? lead : " ", (unsigned long long)nameless);
}

static const char *exit_text(u32 reason)
{
    switch (EXIT_REASON_BASIC(reason)) {
#define EXIT(num, name, text) \
    case num:                 \
        return text;
#include "hv/arch/vmx_exit.def"
    default:
        return "unknown reason";
    }
}

/* SDM 3C 25.8.3 "VM-Entry Controls for Event Injection" */
static void print_event(FILE *out, u32 info, const char *lead)
{
    /* clang-format off */
    static const char *const types[] = {
        "external interrupt", "reserved type 1", "NMI", "hardware exception",
        "software interrupt", "privileged software exception", "software exception", "other event",
    };
    /* clang-format on */
    if ((info & INTR_VALID) == 0)
        return;
    fprintf(out, "%s%s, vector %u%s%s", lead, types[INTR_TYPE(info)], INTR_VECTOR(info),
            any(info, INTR_ERROR_VALID) ? ", error code" : "",
            any(info, INTR_NMI_UNBLOCKING) ? ", bit 12" : "");
}

static void print_eptp(FILE *out, u64 eptp, const char *lead)
{
    static const char *const types[] = {"UC",     "type 1", "type 2", "type 3",
                                        "type 4", "type 5", "WB",     "type 7"};
    fprintf(out, "%sPML4 at 0x%llx, %s, walk length %u%s", lead,
            (unsigned long long)(eptp & 0xffffffffff000), types[eptp & 7],
            (unsigned)bits(eptp, 5, 3) + 1, any(eptp, BIT(6)) ? ", A/D flags" : "");
}

void decode_rights(FILE *out, u32 rights)
{
    /* clang-format off */
    static const char *const systems[] = {
        "type 0", "16-bit TSS", "LDT", "busy 16-bit TSS", "type 4", "type 5", "type 6", "type 7",
        "type 8", "TSS", "type 10", "busy TSS", "type 12", "type 13", "type 14", "type 15",
    };
    /* clang-format on */
    if (any(rights, 1u << 16)) {
        fputs("unusable", out);
        return;
    }
    bool code = any(rights, 8), conforming_or_down = any(rights, 4);
    if (!any(rights, 0x10))
        fputs(systems[rights & 15], out);
    else if (code)
        fprintf(out, "%scode%s", conforming_or_down ? "conforming " : "",
                any(rights, 2) ? ", readable" : "");
    else
        fprintf(out, "data%s%s", any(rights, 2) ? ", writable" : "",
                conforming_or_down ? ", expand-down" : "");
    fprintf(out, ", %sDPL %u%s%s%s", any(rights, 0x80) ? "" : "not present, ",
            (unsigned)bits(rights, 6, 5), any(rights, 0x2000) ? ", L" : "",
            any(rights, 0x4000) ? ", D" : "", any(rights, 0x8000) ? ", G" : "");
}

static void print_named(FILE *out, const char *const *names, u64 count, u64 value, const char *lead)
{
    fprintf(out, "%s%s", lead, value < count ? names[value] : "unknown");
}

void decode_field(FILE *out, enum vmcs_field f, u64 value, const char *lead)
{
    static const char *const activities[] = {"active", "HLT", "shutdown", "wait-for-SIPI"};
    enum bit_word word = bit_word_of(f);
    if (word != WORD_NONE) {
        print_bits(out, word, value, lead);
        return;
    }
    switch (f) {
    case F_exit_reason:
        fprintf(out, "%s%s%s", lead, exit_text((u32)value),
                any(value, EXIT_REASON_ENTRY_FAIL) ? " (entry failed)" : "");
        return;
    case F_vm_instruction_error:
        if (value != 0)
            fprintf(out, "%s%s", lead, vmx_error_text((u32)value));
        return;
    case F_guest_activity_state:
        print_named(out, activities, ARRAY_LEN(activities), value, lead);
        return;
    case F_entry_intr_info:
    case F_exit_intr_info:
    case F_idt_vectoring_info:
        print_event(out, (u32)value, lead);
        return;
    case F_ept_pointer:
        print_eptp(out, value, lead);
        return;
    default:
        if (vmcs12_desc(f)->width != WAR)
            return;
        fputs(lead, out);
        decode_rights(out, (u32)value);
    }
}
