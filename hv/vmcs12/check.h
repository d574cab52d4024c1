/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules of VM entry as predicates over a VMCS image: which rules of rules.def are broken, and
 * what the processor does then. Pure: the caller hands in the image, the facts of the processor and
 * the few bytes of memory that rules speak of. The checks read nothing else and change nothing.
 *
 * The same code judges vmcs12 against what L1 was shown and vmcs02 against the hardware. Only
 * struct check_cpu differs: hv/nested/state/bringup.c makes the one for vmcs12, and
 * hv/explain/judge.c the one for vmcs02.
 * SDM 3C 27.2 "Checks on VMX Controls and Host-State Area",
 * SDM 3C 27.3 "Checking and Loading Guest State", SDM 3C 27.4 "Loading MSRs".
 */
#ifndef HV_VMCS12_CHECK_H
#define HV_VMCS12_CHECK_H

#include "hv/vmcs12/vcaps.h"
#include "hv/vmcs12/vmcs12.h"

/* In the order of rules.def, which is also the order of reporting. */
enum rule_id {
#define SECTION(name, number, title)
#define RULE(id, stage, section, text) R_##id,
#include "hv/vmcs12/rules.def"
    R_COUNT,
    R_NONE = R_COUNT
};

/* What a broken rule does; rules.def explains the stages. */
/* clang-format off */
enum rule_stage {
    STAGE_CONTROLS, STAGE_HOST, STAGE_GUEST, STAGE_GUEST_PDPTE, STAGE_GUEST_NMI,
    STAGE_GUEST_LINK, STAGE_MSR_LIST,
};
/* clang-format on */

#define RULE_WORDS ((R_COUNT + 63) / 64)
struct rule_set {
    u64 word[RULE_WORDS];
};

static inline bool rule_set_has(const struct rule_set *set, enum rule_id rule)
{
    return any(set->word[rule / 64], BIT(rule % 64));
}

static inline bool rule_set_empty(const struct rule_set *set)
{
    u64 broken = 0;
    for (unsigned i = 0; i < RULE_WORDS; i++)
        broken |= set->word[i];
    return broken == 0;
}

/* The broken rule that comes first in rules.def, or R_NONE. */
enum rule_id rule_set_first(const struct rule_set *set);

/* What follows from a set of broken rules. */
enum verdict_outcome {
    VERDICT_OK,          /* the entry goes on */
    VERDICT_VMFAIL,      /* VMfailValid; number is the VM-instruction error */
    VERDICT_FAILED_ENTRY /* an exit to L1; number is the whole exit-reason field, bit 31 set */
};
struct verdict {
    enum verdict_outcome outcome;
    u32 number;
    u64 qualification;
    enum rule_id rule; /* the rule that is reported, or R_NONE */
};

/* The verdict that reports this rule; R_NONE gives VERDICT_OK. For a rule of an MSR area the caller
 * fills in the qualification: the number of the entry, from 1. */
struct verdict check_verdict(enum rule_id rule) MUST_CHECK;

/* The facts of CPUID that rules depend on, and the reserved bits of some MSRs. */
struct check_cpuid {
    u8 maxphyaddr;
    u8 linear_width;          /* 48 or 57 */
    bool rtm;                 /* pending debug exceptions have bit 16 */
    bool sgx;                 /* the interruptibility state has bit 4 */
    bool nmi_needs_no_sti;    /* the model refuses an NMI under blocking by STI */
    u64 efer_reserved;        /* the bits that WRMSR refuses in IA32_EFER */
    u64 debugctl_reserved;    /* the bits that WRMSR refuses in IA32_DEBUGCTL */
    u64 perf_global_reserved; /* the bits that WRMSR refuses in IA32_PERF_GLOBAL_CTRL */
    bool lam;                 /* CR3 may have bits 62:61 */
    u64 rtit_reserved;        /* the bits that WRMSR refuses in IA32_RTIT_CTL */
    u64 lbr_reserved;         /* the bits that WRMSR refuses in IA32_LBR_CTL */
};

/* A processor as the rules see it. check_cpu_init derives it once from capabilities and CPUID. */
struct check_cpu {
    struct ctl_range pin, cpu1, cpu2, exit, entry;
    u64 cr0_must_be_1, cr0_may_be_1, cr4_must_be_1, cr4_may_be_1;
    u64 misc, ept_vpid, vmfunc, cpu3, exit2;
    u64 phys_reserved;                /* bits at and above MAXPHYADDR */
    u64 cr3_reserved;                 /* the same bits, but for those of LAM */
    u64 linear_bias, linear_reserved; /* (x + bias) & reserved is 0 for a canonical address x */
    u64 eptp_reserved;
    u64 efer_reserved, debugctl_reserved, perf_global_reserved;
    u64 pending_dbg_reserved;
    u64 rtit_reserved, lbr_reserved;
    u32 error_code_vectors; /* the exceptions that push an error code */
    u32 blocking_reserved;
    u32 revision;
    bool any_error_code; /* IA32_VMX_BASIC[56] */
    bool has_mtf, nmi_needs_no_sti;
};
void check_cpu_init(struct check_cpu *cpu, const struct vmx_caps *caps,
                    const struct check_cpuid *cpuid);

/* What one entry is judged by, beside the image: the processor, its state, and the memory that
 * check_needs asked for. Addresses are gpa1 for vmcs12 and hpa for vmcs02. */
struct check_env {
    const struct check_cpu *cpu;
    bool in_ia32e_mode; /* IA32_EFER.LMA when VMLAUNCH or VMRESUME executes */
    u64 current_vmptr;
    bool vtpr_valid, pdpte_valid, link_valid; /* false: the caller did not read this memory, and
                                                 the rules about it are not judged */
    u8 vtpr;                                  /* byte 0x80 of the virtual-APIC page */
    u64 pdpte[4];                             /* the four entries at guest CR3, without EPT */
    u32 link_header;                          /* first 4 bytes at the VMCS link pointer */
    u8 rights_reserved; /* bit n (enum seg_number): the access rights have reserved bits */
};

/* The rules, grouped by the fields that they read. A caller who knows which fields changed can skip
 * the other groups. The verdict of a group follows from the fields for which check_groups_of names
 * the group. In addition these verdicts follow from
 *  CHECK_TPR, CHECK_PDPTES, CHECK_LINK  memory, when check_needs names the group
 *  CHECK_LINK                           the current-VMCS pointer
 *  CHECK_HOST_SIZE                      IA32_EFER.LMA */
enum check_group {
    CHECK_CTL_WORDS = 1u << 0,
    CHECK_CTL_PAGES = 1u << 1,
    CHECK_TPR = 1u << 2,
    CHECK_MSR_AREAS = 1u << 3,
    CHECK_EVENT = 1u << 4,
    CHECK_HOST_REGS = 1u << 5,
    CHECK_HOST_SEGS = 1u << 6,
    CHECK_HOST_SIZE = 1u << 7,
    CHECK_GUEST_REGS = 1u << 8,
    CHECK_GUEST_MSRS = 1u << 9,
    CHECK_SEGMENTS = 1u << 10,
    CHECK_TABLES = 1u << 11,
    CHECK_RIP = 1u << 12,
    CHECK_ACTIVITY = 1u << 13,
    CHECK_PENDING_DBG = 1u << 14,
    CHECK_LINK = 1u << 15,
    CHECK_PDPTES = 1u << 16,

    CHECK_CONTROLS = CHECK_CTL_WORDS | CHECK_CTL_PAGES | CHECK_TPR | CHECK_MSR_AREAS | CHECK_EVENT,
    CHECK_HOST = CHECK_HOST_REGS | CHECK_HOST_SEGS | CHECK_HOST_SIZE,
    CHECK_GUEST = CHECK_GUEST_REGS | CHECK_GUEST_MSRS | CHECK_SEGMENTS | CHECK_TABLES | CHECK_RIP |
                  CHECK_ACTIVITY | CHECK_PENDING_DBG | CHECK_LINK | CHECK_PDPTES,
    CHECK_ALL = CHECK_CONTROLS | CHECK_HOST | CHECK_GUEST,
};

/* What the caller must read into struct check_env for this image: a set of enum check_need. Each
 * need has the value of the group that wants the memory. check_needs asks for no address that
 * breaks its own rules, so the caller may read whatever check_needs names. */
enum check_need { NEED_VTPR = CHECK_TPR, NEED_PDPTES = CHECK_PDPTES, NEED_LINK = CHECK_LINK };
u32 check_needs(const struct vmcs_image *vmcs12, const struct check_cpu *cpu);

/* The groups (a set of enum check_group) that read the field. */
u32 check_groups_of(enum vmcs_field field);

/* Each adds the broken rules of the groups that are in `groups` and in its own part to the set. */
void check_controls(const struct vmcs_image *v, const struct check_env *env, u32 groups,
                    struct rule_set *broken);
void check_host(const struct vmcs_image *v, const struct check_env *env, u32 groups,
                struct rule_set *broken);
void check_guest(const struct vmcs_image *v, const struct check_env *env, u32 groups,
                 struct rule_set *broken);

/* Judges one entry by the rules of `groups`; CHECK_ALL stands for all rules. *broken becomes the
 * set of broken rules. The verdict reports the first of them, or VERDICT_OK. */
struct verdict check_entry(const struct vmcs_image *vmcs12, const struct check_env *env, u32 groups,
                           struct rule_set *broken) MUST_CHECK;

/* True when a VM entry would accept this EPTP. INVEPT and EPTP switching ask this.
 * SDM 3C 27.2.1.1 "VM-Execution Control Fields" */
bool check_eptp(u64 eptp, const struct check_cpu *cpu) MUST_CHECK;

/* The MSR areas. check_msr_entry returns the rule that the entry breaks, or R_NONE. The caller
 * reads each entry once, calls check_msr_entry, and then makes the access like an RDMSR or WRMSR of
 * L1's at CPL 0. If this access would fault, the broken rule is R_msr_access. A broken rule means
 * exit reason 34 for the VM-entry area, and a VMX abort for the two VM-exit areas.
 * SDM 3C 27.4 "Loading MSRs", SDM 3C 28.4 "Saving MSRs", SDM 3C 28.6 "Loading MSRs" */
enum msr_area { MSR_AREA_ENTRY_LOAD, MSR_AREA_EXIT_LOAD, MSR_AREA_EXIT_STORE };
struct msr_entry {
    u32 index, reserved;
    u64 value;
};
enum rule_id check_msr_entry(const struct msr_entry *entry, enum msr_area area);

/* A rule's id as in rules.def, its sentence, and the section that states it. @pre rule < R_COUNT */
const char *rule_name(enum rule_id rule);
const char *rule_text(enum rule_id rule);
const char *rule_section_number(enum rule_id rule);
const char *rule_section_title(enum rule_id rule);
enum rule_stage rule_stage(enum rule_id rule);

#endif
