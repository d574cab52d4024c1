/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of what Nidus needs and wants, and the words about it. Contract in require.h. A row
 * matters only when the rows above it are met. So the first needed row that is not met is the
 * reason to give.
 */
#include "boot/require.h"

enum need { NEEDED, WANTED };
enum test { IS_SET, IS_CLEAR, IS_INTEL, IS_VMX_ALLOWED };

/* The name is a character array, because nidus.efi is position independent and a pointer would need
 * a relocation. */
struct row {
    u8 need, test, fact, bit;
    char name[40];
};

/* A control may be 1 when bit 32 + n of its capability MSR is 1. SDM 3D A.3 "VM-Execution
 * Controls" */
#define ALLOWED_1(n) (32 + (n))

/* clang-format off */
static const struct row rows[] = {
    {NEEDED, IS_INTEL,       0,                        0,             "Intel processor"},
    {NEEDED, IS_SET,         FACT_CPUID_1_ECX,         5,             "VMX"},
    {NEEDED, IS_VMX_ALLOWED, FACT_FEATURE_CONTROL,     2,             "VMX in FEATURE_CONTROL"},
    {NEEDED, IS_SET,         FACT_VMX_BASIC,           55,            "true controls"},
    {NEEDED, IS_SET,         FACT_VMX_PROCBASED,       ALLOWED_1(31), "secondary controls"},
    {NEEDED, IS_SET,         FACT_VMX_PROCBASED2,      ALLOWED_1(1),  "EPT"},
    {NEEDED, IS_SET,         FACT_VMX_EPT_VPID,        6,             "EPT 4-level walk"},
    {NEEDED, IS_SET,         FACT_VMX_EPT_VPID,        14,            "write-back EPT"},
    {NEEDED, IS_SET,         FACT_VMX_EPT_VPID,        20,            "INVEPT"},
    {NEEDED, IS_SET,         FACT_VMX_EPT_VPID,        26,            "INVEPT of all contexts"},
    {NEEDED, IS_SET,         FACT_VMX_PROCBASED2,      ALLOWED_1(7),  "unrestricted guest"},
    {NEEDED, IS_SET,         FACT_VMX_PROCBASED,       ALLOWED_1(28), "MSR bitmaps"},
    {NEEDED, IS_SET,         FACT_VMX_PINBASED,        ALLOWED_1(3),  "NMI exiting"},
    {NEEDED, IS_SET,         FACT_VMX_PINBASED,        ALLOWED_1(5),  "virtual NMIs"},
    {NEEDED, IS_SET,         FACT_VMX_PROCBASED,       ALLOWED_1(22), "NMI-window exiting"},
    {NEEDED, IS_SET,         FACT_VMX_EXIT,            ALLOWED_1(9),  "64-bit host"},
    {NEEDED, IS_SET,         FACT_VMX_EXIT,            ALLOWED_1(18), "save PAT on exit"},
    {NEEDED, IS_SET,         FACT_VMX_EXIT,            ALLOWED_1(19), "load PAT on exit"},
    {NEEDED, IS_SET,         FACT_VMX_EXIT,            ALLOWED_1(20), "save EFER on exit"},
    {NEEDED, IS_SET,         FACT_VMX_EXIT,            ALLOWED_1(21), "load EFER on exit"},
    {NEEDED, IS_SET,         FACT_VMX_ENTRY,           ALLOWED_1(9),  "64-bit guest"},
    {NEEDED, IS_SET,         FACT_VMX_ENTRY,           ALLOWED_1(14), "load PAT on entry"},
    {NEEDED, IS_SET,         FACT_VMX_ENTRY,           ALLOWED_1(15), "load EFER on entry"},
    {NEEDED, IS_SET,         FACT_VMX_MISC,            5,             "LMA saved on exit"},
    {NEEDED, IS_SET,         FACT_CPUID_1_EDX,         12,            "MTRRs"},
    {NEEDED, IS_SET,         FACT_CPUID_1_EDX,         16,            "PAT"},
    {NEEDED, IS_SET,         FACT_CPUID_80000001_EDX,  20,            "no-execute pages"},
    {NEEDED, IS_CLEAR,       FACT_CR4,                 12,            "4-level paging"},
    {WANTED, IS_SET,         FACT_VMX_PROCBASED2,      ALLOWED_1(5),  "VPID"},
    {WANTED, IS_SET,         FACT_VMX_EPT_VPID,        32,            "INVVPID"},
    {WANTED, IS_SET,         FACT_VMX_EPT_VPID,        41,            "INVVPID of one context"},
    {WANTED, IS_SET,         FACT_VMX_EPT_VPID,        42,            "INVVPID of all contexts"},
    {WANTED, IS_SET,         FACT_VMX_EPT_VPID,        16,            "EPT 2 MiB leaves"},
    {WANTED, IS_SET,         FACT_VMX_EPT_VPID,        17,            "EPT 1 GiB leaves"},
    {WANTED, IS_SET,         FACT_VMX_EPT_VPID,        0,             "EPT execute-only"},
    {WANTED, IS_SET,         FACT_VMX_EPT_VPID,        21,
        "EPT accessed and dirty flags"},
    {WANTED, IS_SET,         FACT_VMX_EPT_VPID,        25,            "INVEPT of one context"},
    {WANTED, IS_SET,         FACT_VMX_PROCBASED2,      ALLOWED_1(14), "VMCS shadowing"},
    {WANTED, IS_SET,         FACT_VMX_MISC,            29,            "VMWRITE to any field"},
    {WANTED, IS_SET,         FACT_VMX_PINBASED,        ALLOWED_1(6),  "preemption timer"},
    {WANTED, IS_SET,         FACT_VMX_EXIT,            ALLOWED_1(12),
        "load PERF_GLOBAL_CTRL on exit"},
    {WANTED, IS_SET,         FACT_VMX_ENTRY,           ALLOWED_1(13),
        "load PERF_GLOBAL_CTRL on entry"},
    {WANTED, IS_SET,         FACT_VMX_PROCBASED,       ALLOWED_1(25), "I/O bitmaps"},
    {WANTED, IS_SET,         FACT_VMX_PROCBASED,       ALLOWED_1(21), "TPR shadow"},
    {WANTED, IS_SET,         FACT_VMX_PROCBASED,       ALLOWED_1(27), "monitor trap flag"},
    {WANTED, IS_SET,         FACT_VMX_PROCBASED2,      ALLOWED_1(3),  "RDTSCP in a guest"},
    {WANTED, IS_SET,         FACT_VMX_PROCBASED2,      ALLOWED_1(12), "INVPCID in a guest"},
    {WANTED, IS_SET,         FACT_VMX_PROCBASED2,      ALLOWED_1(20), "XSAVES in a guest"},
    {WANTED, IS_SET,         FACT_VMX_PROCBASED2,      ALLOWED_1(13), "VM functions"},
    {WANTED, IS_SET,         FACT_VMX_PROCBASED2,      ALLOWED_1(18), "#VE"},
};

static const struct {
    u32 msr;
    char name[28];
} sources[FACT_COUNT] = {
    [FACT_CPUID_1_EAX]        = {0,     "CPUID.1:EAX"},
    [FACT_CPUID_1_ECX]        = {0,     "CPUID.1:ECX"},
    [FACT_CPUID_1_EDX]        = {0,     "CPUID.1:EDX"},
    [FACT_CPUID_7_EBX]        = {0,     "CPUID.7.0:EBX"},
    [FACT_CPUID_7_EDX]        = {0,     "CPUID.7.0:EDX"},
    [FACT_CPUID_80000001_EDX] = {0,     "CPUID.80000001H:EDX"},
    [FACT_CR4]                = {0,     "CR4"},
    [FACT_MICROCODE]          = {0,     "microcode revision"},
    [FACT_ARCH_CAPABILITIES]  = {0x10a, "IA32_ARCH_CAPABILITIES"},
    [FACT_FEATURE_CONTROL]    = {FEATURE_CONTROL_MSR, "IA32_FEATURE_CONTROL"},
    [FACT_VMX_BASIC]          = {0x480, "IA32_VMX_BASIC"},
    [FACT_VMX_PINBASED]       = {0x481, "IA32_VMX_PINBASED_CTLS"},
    [FACT_VMX_PROCBASED]      = {0x482, "IA32_VMX_PROCBASED_CTLS"},
    [FACT_VMX_EXIT]           = {0x483, "IA32_VMX_EXIT_CTLS"},
    [FACT_VMX_ENTRY]          = {0x484, "IA32_VMX_ENTRY_CTLS"},
    [FACT_VMX_MISC]           = {0x485, "IA32_VMX_MISC"},
    [FACT_VMX_PROCBASED2]     = {0x48b, "IA32_VMX_PROCBASED_CTLS2"},
    [FACT_VMX_EPT_VPID]       = {0x48c, "IA32_VMX_EPT_VPID_CAP"},
};
/* clang-format on */

/* A fact that does not exist on this processor has the value 0. */
static bool is_set(const struct facts *f, enum fact n, u32 bit)
{
    return (f->value[n] >> bit & 1) != 0;
}

static bool is_intel(const struct facts *f)
{
    static const char intel[] = "GenuineIntel";
    for (u32 i = 0; i < sizeof intel; i++)
        if (f->vendor[i] != intel[i])
            return false;
    return true;
}

/* Only a processor by Intel is asked for these MSRs. On another one the numbers mean something
 * else, or RDMSR faults. */
u32 facts_msr(const struct facts *f, enum fact n)
{
    bool exists = is_intel(f) && is_set(f, FACT_CPUID_1_ECX, 5);
    if (n == FACT_ARCH_CAPABILITIES)
        exists = is_intel(f) && is_set(f, FACT_CPUID_7_EDX, 29);
    if (n == FACT_VMX_PROCBASED2) /* SDM 3D A.3.3 "Secondary Processor-Based VM-Execution
                                     Controls" */
        exists = exists && is_set(f, FACT_VMX_PROCBASED, ALLOWED_1(31));
    if (n == FACT_VMX_EPT_VPID) /* SDM 3D A.10 "VPID and EPT Capabilities" */
        exists = exists && (is_set(f, FACT_VMX_PROCBASED2, ALLOWED_1(1)) ||
                            is_set(f, FACT_VMX_PROCBASED2, ALLOWED_1(5)));
    return exists ? sources[n].msr : 0;
}

u32 require_count(void)
{
    return ARRAY_LEN(rows);
}

bool require_is_needed(u32 n)
{
    return rows[n].need == NEEDED;
}

bool require_is_met(const struct facts *f, u32 n)
{
    const struct row *r = &rows[n];
    bool set = is_set(f, r->fact, r->bit);
    switch (r->test) {
    case IS_INTEL:
        return is_intel(f);
    case IS_VMX_ALLOWED: /* the launch can set the bit when the MSR is not locked */
        return FACT_IS_KNOWN(f, r->fact) && (set || !(f->value[r->fact] & FEATURE_CONTROL_LOCK));
    case IS_CLEAR:
        return !set;
    default:
        return set;
    }
}

u32 require_first_missing(const struct facts *f)
{
    u32 n = 0;
    while (n < ARRAY_LEN(rows) && (rows[n].need == WANTED || require_is_met(f, n)))
        n++;
    return n;
}

/* Adds the fact's register: "CR4", or "IA32_VMX_BASIC (MSR 0x480)". */
static void add_source(struct line *l, enum fact n)
{
    line_add(l, sources[n].name);
    if (!sources[n].msr)
        return;
    line_add(l, " (MSR ");
    line_add_hex(l, sources[n].msr);
    line_add_char(l, ')');
}

/* Adds the vendor's twelve characters, which may be anything on an emulator. */
static void add_vendor(const struct facts *f, struct line *l)
{
    line_add(l, "CPUID.0 says \"");
    line_add(l, f->vendor);
    line_add_char(l, '"');
}

void require_explain(const struct facts *f, u32 n, struct line *l)
{
    const struct row *r = &rows[n];
    if (r->test == IS_INTEL) {
        line_add(l, "not an Intel processor: ");
        add_vendor(f, l);
        return;
    }
    line_add(l, r->test == IS_VMX_ALLOWED ? "locked without " : "no ");
    line_add(l, r->name);
    line_add(l, ": ");
    add_source(l, r->fact);
    if (!FACT_IS_KNOWN(f, r->fact)) {
        line_add(l, " does not exist");
        return;
    }
    line_add(l, " bit ");
    line_add_decimal(l, r->bit);
    line_add(l, r->test == IS_CLEAR ? " is 1" : " is 0");
    if (r->test == IS_VMX_ALLOWED)
        line_add(l, "; turn on Intel Virtualization Technology (VT-x) in the BIOS setup");
}

void require_report(const struct facts *f, u32 n, struct line *l)
{
    const struct row *r = &rows[n];
    line_add(l, require_is_met(f, n) ? "found   " : "missing ");
    line_add(l, r->need == NEEDED ? "needed " : "wanted ");
    line_add(l, r->name);
    line_add(l, ": ");
    if (r->test == IS_INTEL) {
        add_vendor(f, l);
        return;
    }
    add_source(l, r->fact);
    if (!FACT_IS_KNOWN(f, r->fact)) {
        line_add(l, " does not exist");
        return;
    }
    line_add(l, " = ");
    line_add_hex(l, f->value[r->fact]);
    line_add(l, ", bit ");
    line_add_decimal(l, r->bit);
    if (r->test == IS_VMX_ALLOWED && !(f->value[r->fact] & FEATURE_CONTROL_LOCK))
        line_add(l, ", not locked yet");
}
