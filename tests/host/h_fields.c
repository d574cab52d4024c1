/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The field table against two lists that were typed apart from it: the facts of tests/data and
 * the guest tests' own list, which is read as text so that neither can lean on the other. An
 * encoding with another field's name fails here; which list is right, the SDM decides:
 * SDM 3D B "Field Encoding in VMCS".
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hv/saved/layout.h"
#include "tests/lib/csv.h"

/* The same thing in two vocabularies; the first is ours. Theirs may say what ours
 * leaves out: "". */
struct same_word {
    const char *ours, *theirs;
};
/* clang-format off */
static const struct same_word same_words[] = {
    {"selector", "sel"}, {"addr", "address"}, {"pointer", "ptr"}, {"ctl", "control"},
    {"ctl", "controls"},
    {"len", "length"}, {"instruction", "insn"}, {"vpid", "virtual_processor_id"}, {"vector", "nv"},
    {"vmfunc", "vm_function"}, {"cpu1", "cpu_based"}, {"cpu1", "proc"}, {"cpu2", "secondary"},
    {"cpu2", "proc2"},
    {"cpu3", "tertiary"}, {"exit2", "secondary_vm_exit"}, {"pf", "page_fault"},
    {"exit_instruction_info", "vmx_instruction_info"},
    {"pdptr0", "pdpte0"}, {"pdptr1", "pdpte1"}, {"pdptr2", "pdpte2"}, {"pdptr3", "pdpte3"},
    {"dbg", "debug"},
    {"exiting", "exit"}, {"ve_info", "virt_exception_info"}, {"value0", "target0"},
    {"value1", "target1"},
    {"value2", "target2"}, {"value3", "target3"}, {"ve_info", "ve_information"}, {"io", "exit_io"},
    {"entry_exception_error_code", "entry_intr_error"},
    {"", "ia32"}, {"", "vm"}, {"", "vmx"}, {"", "field"}, {"", "page"}, {"", "bytes"}, {"", "exec"},
    {"", "based"},
    {"", "info"}, {"", "address"}, {"", "addr"},
};
/* clang-format on */

/* True when `word` stands in `name` between underscores. */
static bool has_word(const char *name, const char *word, size_t length)
{
    for (const char *p = name; (p = strstr(p, word)) != NULL; p++) {
        char end = p[length];
        if ((p == name || p[-1] == '_') && (end == '\0' || end == '_'))
            return true;
    }
    return false;
}

static bool known_word(const char *ours, const char *word)
{
    if (has_word(ours, word, strlen(word)))
        return true;
    for (unsigned i = 0; i < ARRAY_LEN(same_words); i++)
        if (strcmp(same_words[i].theirs, word) == 0 &&
            (same_words[i].ours[0] == '\0' ||
             has_word(ours, same_words[i].ours, strlen(same_words[i].ours))))
            return true;
    return false;
}

/* Names agree when each of their words is ours; runs of words are tried whole first. */
static bool names_agree(const char *ours, char *theirs)
{
    for (char *p = theirs; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    while (*theirs != '\0') {
        char *end = theirs + strlen(theirs);
        bool known = false;
        while (!known && end > theirs) {
            char cut = *end;
            *end = '\0';
            known = known_word(ours, theirs);
            *end = cut;
            if (known)
                break;
            do
                end--;
            while (end > theirs && *end != '_');
        }
        if (!known)
            return false;
        theirs = *end == '_' ? end + 1 : end;
    }
    return true;
}

static void agree(u32 enc, const char *name, unsigned *count)
{
    char copy[64];
    enum vmcs_field f = vmcs12_find(enc);
    snprintf(copy, sizeof copy, "%s", name);
    if (f == F_COUNT || !names_agree(vmcs12_name(f), copy))
        fail_msg("0x%04x is %s there and %s here", enc, name, vmcs12_name(f));
    (*count)++;
}

static void compare_fact(const struct csv_row *r, void *ctx)
{
    agree((u32)strtoul(r->cell[0], NULL, 16), r->cell[1], ctx);
}

static void facts_have_our_names(void **state)
{
    (void)state;
    unsigned broadwell = 0, kvm = 0;
    csv_read("tests/data/broadwell_vmcs_layout.csv", compare_fact, &broadwell);
    csv_read("tests/data/kvm_vmcs12_layout.csv", compare_fact, &kvm);
    assert_int_equal(broadwell, F_COUNT);
    assert_int_equal(kvm, 141);
}

/* "V(0x0000, VPID, 'E')": all of Broadwell's fields must be there, each under its own name. */
static void guest_tests_have_our_names(void **state)
{
    (void)state;
    char line[256], name[64];
    bool seen[F_COUNT] = {false};
    unsigned enc, count = 0;
    FILE *f = fopen("guest-tests/lib/vmx_fields.def", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "V(%x, %63[A-Z0-9_]", &enc, name) != 2)
            continue;
        agree(enc, name, &count);
        seen[vmcs12_find(enc)] = true;
    }
    fclose(f);
    assert_true(count > 150);
    for (enum vmcs_field i = 0; i < F_COUNT; i++)
        if (layout_offset(LAYOUT_BROADWELL, i) != LAYOUT_NONE && !seen[i])
            fail_msg("the guest tests lack %s", vmcs12_name(i));
}

/* The comparison itself: a neighbour's name does not pass. */
static void a_wrong_name_is_seen(void **state)
{
    (void)state;
    /* clang-format off */
    static const char *const wrong[][2] = {
        {"guest_cs_selector", "GUEST_SS_SELECTOR"}, {"guest_cs_selector", "HOST_CS_SEL"},
        {"exit_msr_load_addr", "VM_EXIT_MSR_STORE_ADDR"}, {"eoi_exit_bitmap0", "EOI_EXIT_BITMAP1"},
        {"cpu1_ctl", "SECONDARY_VM_EXEC_CONTROL"}, {"guest_pdptr0", "GUEST_PDPTE1"},
        {"entry_ctl", "VM_EXIT_CONTROLS"}, {"entry_intr_info", "VM_EXIT_INTR_INFO"},
        {"entry_msr_load_count", "VM_EXIT_MSR_LOAD_COUNT_ENTRY_STORE"},
    };
    /* clang-format on */
    for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
        char copy[64];
        snprintf(copy, sizeof copy, "%s", wrong[i][1]);
        assert_false(names_agree(wrong[i][0], copy));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_have_our_names),
        cmocka_unit_test(guest_tests_have_our_names),
        cmocka_unit_test(a_wrong_name_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
