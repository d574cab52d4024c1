/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Judging a dump: which fields it lacks, what the exit code says, and what follows for each rule.
 * Only the files of this folder that judge include this.
 */
#ifndef TOOLS_VMCS12_WHY_JUDGE_H
#define TOOLS_VMCS12_WHY_JUDGE_H

#include "tools/vmcs12/why/why.h"

/* The fields that a rule reads, those that it is about first; F_COUNT ends the list. Empty for the
 * rules of MSR areas. */
const u8 *rule_fields(enum rule_id rule);

/* True for the controls that switch rules on and off. */
bool is_gate(enum vmcs_field f);

/* A value that breaks no rule, as far as one field alone can. */
u64 healthy_value(enum vmcs_field f);

struct judge {
    const struct dump *d;
    struct answer *a;
    struct open_cpu cpu;
    struct open_worlds worlds;
    struct check_env env;
};

/* Over all values that unknown fields may have: the rules that are broken whatever they are, and
 * for some of them, on the mildest, the usual and the strictest processor that fits. */
struct verdicts {
    struct rule_set mild_all, mild_any, usual_all, strict_any;
    struct rule_set memory_any; /* strict, and memory at its worst */
};
void judge_fields(struct judge *j, struct verdicts *all);

/* What the exit code says: which rules held, which may be the cause. */
enum { STAGES = STAGE_MSR_LIST + 1 };
struct outcome {
    bool stage_held[STAGES], stage_possible[STAGES];
    bool decided; /* the code says that the entry failed, and in which stages */
};
void judge_code(struct judge *j, struct outcome *o);

/* Adds a finding to one of the answer's lists. NULL: the list is full. */
struct finding *add_finding(struct finding *list, unsigned *count, enum rule_id rule);

void answer_note(struct answer *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The entries of the entry's MSR area that the dump prints. */
void judge_msrs(struct judge *j, const struct outcome *o);

/* Fills in the fields that decide about a rule which the image breaks. */
void find_deciders(struct judge *j, struct finding *f);

/* Fills in a mend, if there is one that is small and fits the rest of the dump. */
void find_mend(struct judge *j, struct finding *f);

/* The rules that the image breaks on the mildest processor, with what is unknown being as it is. */
void judge_image(struct judge *j, const struct vmcs_image *v, enum open_corner corner,
                 struct rule_set *broken);

/* The condition of a rule that depends on the processor, in words. False: nothing single
 * decides. */
bool condition_text(struct judge *j, enum rule_id rule, char *text, size_t room);

/* What to ask for so that a rule can be judged: the kind of the request and its words. */
void missing_of(struct judge *j, enum rule_id rule, struct undecided *u);

static inline void rule_set_add(struct rule_set *set, enum rule_id rule)
{
    set->word[rule / 64] |= BIT(rule % 64);
}

#endif
