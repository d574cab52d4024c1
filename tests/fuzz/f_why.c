/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the reader and the judge of dumps. The first byte says how the input becomes a text: as it
 * is; as a sequence of words that dumps are made of; or as edits of a valid image, which is printed
 * as KVM or Xen would. Of the last kind the answer is known: what it accuses is what the rules find
 * in the image, and it accuses all of that which the text shows.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/lib/image.h"
#include "tests/lib/valid.h"
#include "tools/vmcs12/why/judge.h"

static void answer_all(const char *text, size_t length)
{
    static struct answer a;
    struct reading r;
    demand(why_read(text, length, &r));
    for (unsigned i = 0; i < r.dumps && i < 4; i++) {
        why_judge(&r.dump[i], &r.cpu, &a);
        int status = why_status(&a);
        demand(status == 0 || status == 1 || status == 3);
        why_print_text(null_stream(), &a, true);
        why_print_json(null_stream(), &a);
    }
    free(r.dump);
}

/* clang-format off */
static const char *const words[] = {
    "*** Guest State ***", "*** Host State ***", "*** Control State ***",
    "VMCS Area", "CR0: actual=0x", "CR4: actual=0x",
    ", shadow=0x", "CR3 = 0x", "RSP = ",
    "RIP = 0x", "RFLAGS=0x", "CS:   sel=0x",
    ", attr=0x", ", limit=0x", ", base=0x",
    "  DS: 0010 0c093 ffffffff ", "EFER= 0x", "EFER(VMCS) = ",
    "PAT = 0x", "MSR guest autoload:", "msr=0x00000600 value=0x",
    "Interruptibility = ", "ActivityState = ", "EntryControls=",
    "ExitControls=", "PinBased=0x", "CPUBased=",
    "SecondaryExec=", "VMEntry: intr_info=", " errcode=",
    " ilen=", "reason=80000021 qualification=", "TSC Multiplier = ",
    "KVM: entry failed, hardware error 0x",
    "d1v0 vmentry failure (reason 0x80000022): MSR loading (entry ",
    "  msr 000001dd val ", "HM error = 0x23a", "guest_CR0=0x",
    "guest_CS_base/limit=0x", "vcpu->vmcs.control_IO_BitmapA_address_full=0x",
    "haxm_error: 4000 VMX_PIN_CONTROLS: ",
    "GUEST_CR4 = 0x", "VMCS, revision 0x12, layout broadwell, launched", "  0x6800  guest_cr0  0x",
    "rdmsr 0x48b", "0x480: 0x", "address sizes : 46 bits physical, 48 bits virtual",
    "exit_reason 33", "qualification 0x2", "\n",
    "\n", "\n> ", " ",
    "=3D", "=\n", "&nbsp;",
    "[ 12.345678][ T123] ", "(XEN) ", "Jun 24 17:25:51 h kernel: ",
    "0000000000000000", "00000000", "ffffffffffffffff",
    "80050033", "(effective)", "\x1b[31m",
};
/* clang-format on */

static void structured(const u8 *data, size_t size)
{
    char *text = malloc(size * 64 + 1);
    size_t n = 0;
    demand(text != NULL);
    for (size_t i = 0; i < size; i++) {
        if (data[i] >= 128) {
            const char *word = words[(data[i] - 128) % ARRAY_LEN(words)];
            memcpy(text + n, word, strlen(word));
            n += strlen(word);
        } else {
            text[n++] = (char)data[i];
        }
    }
    answer_all(text, n);
    free(text);
}

static bool is_printed(const struct dump *d, enum rule_id rule)
{
    for (const u8 *f = rule_fields(rule); *f != F_COUNT; f++)
        if (!dump_knows(d, (enum vmcs_field) * f))
            return false;
    return rule_stage(rule) != STAGE_GUEST_LINK && rule != R_tpr_threshold_vtpr;
}

/* No exit code, so that nothing is held back; everything is known of the processor. */
static void round_trip(const u8 *data, size_t size)
{
    static struct answer a;
    struct valid t;
    struct rule_set broken, named = {{0}};
    struct reading r;
    struct open_cpu cpu;
    char *text = NULL;
    size_t length;

    valid_build(&t, (enum valid_base)(data[0] % BASE_COUNT), (enum valid_cpu)(data[1] % CPU_COUNT));
    image_edit(&t.v, data + 2, size - 2);
    t.v.exit_reason = EXIT_REASON_ENTRY_FAIL; /* a number that says nothing */
    t.v.vm_instruction_error = 0;
    t.env.vtpr_valid = t.env.pdpte_valid = t.env.link_valid = false;
    (void)!valid_judge(&t, &broken).outcome;
    FILE *out = open_memstream(&text, &length);
    demand(out != NULL);
    struct tool tool = {.out = out, .err = null_stream(), .as = data[2] & 1 ? "kvm" : "xen"};
    demand(tool_dump_as(&tool, &t.v));
    fclose(out);
    demand(why_read(text, length, &r) && r.dumps == 1);
    open_init(&cpu);
    open_learn_all(&cpu, &t.caps, &t.cpuid);
    cpu.flag[OPEN_IA32E] = t.env.in_ia32e_mode;
    why_judge(&r.dump[0], &cpu, &a);
    for (unsigned i = 0; i < a.brokens; i++) {
        demand(rule_set_has(&broken, a.broken[i].rule));
        rule_set_add(&named, a.broken[i].rule);
    }
    for (enum rule_id rule = 0; rule < R_COUNT && a.brokens < ANSWER_FINDINGS && !a.implausible;
         rule++)
        demand(!rule_set_has(&broken, rule) || !is_printed(&r.dump[0], rule) ||
               rule_set_has(&named, rule));
    free(r.dump);
    free(text);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size < 8)
        return 0;
    if (data[0] % 3 == 0)
        answer_all((const char *)data + 1, size - 1);
    else if (data[0] % 3 == 1)
        structured(data + 1, size - 1);
    else
        round_trip(data + 1, size - 1);
    return 0;
}
